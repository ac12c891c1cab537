"""An extension that is interrupted changes nothing that readers see, and ends in the same bytes."""

import shutil
from types import SimpleNamespace

import pytest

import vidprep
from tests.helpers.raw_videos.extensions import build, statuses
from tests.helpers.sets.builds import hashes, problems
from vidprep.builder.extending import next_generation
from vidprep.builder.workspace import finished
from vidprep.errors import BuildError, BuildStopped

_WHEN = "1700000000"


class Killed(BaseException):
    """Stands for the end of the process."""


def stop_after_a_shard(event):
    if event["event"] == "done":
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def date(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", _WHEN)


@pytest.fixture
def reference(gaps, tmp_path):
    """The hashes of the extended set."""
    out = shutil.copytree(gaps.out, tmp_path / "reference")
    build(gaps.raw, out, gaps.late, extend=True)
    return hashes(out)


def assert_as_before(out, gaps):
    before, seen = vidprep.ShardSet.open(gaps.out), vidprep.ShardSet.open(out)
    assert (seen.fingerprint, seen.index) == (before.fingerprint, before.index)
    assert statuses(out) == statuses(gaps.out)
    assert hashes(gaps.out).keys() <= hashes(out).keys()


def test_stopped_after_a_shard(gaps, copy, reference):
    out = copy(gaps.out)
    with pytest.raises(BuildStopped, match=r"1 of 2 shards are finished and kept"):
        build(gaps.raw, out, gaps.late, extend=True, on_event=stop_after_a_shard)
    assert hashes(out) == hashes(gaps.out)
    assert problems(out) == []
    events = []
    result = build(gaps.raw, out, gaps.late, extend=True, on_event=events.append)
    assert [event["num_finished"] for event in events if event["event"] == "planned"] == [3]
    assert hashes(out) == reference
    assert result.extension.date == "2023-11-14T22:13:20+00:00"


def test_a_begun_extension_is_of_its_videos(gaps, copy, reference, tmp_path):
    out, late = copy(gaps.out), shutil.copytree(gaps.late, tmp_path / "late")
    one = next(late.rglob("video4*"))
    shutil.move(one, tmp_path / one.name)
    with pytest.raises(BuildStopped):
        build(gaps.raw, out, late, extend=True, on_event=stop_after_a_shard)
    # A video that comes meanwhile waits for the next extension.
    shutil.move(tmp_path / one.name, one)
    gone = next(late.rglob("video1*"))
    shutil.move(gone, tmp_path / gone.name)
    message = (
        r"was begun with 3 videos, of which 1 are not there or not asked for now, e\.g\. video1_\S+\. Give"
    )
    with pytest.raises(BuildError, match=message):
        build(gaps.raw, out, late, extend=True)
    shutil.move(tmp_path / gone.name, gone)
    assert build(gaps.raw, out, late, extend=True).extension.num_added == {"train": 2, "validation": 1}
    assert build(gaps.raw, out, late, extend=True).extension.num_added == {"train": 1, "validation": 0}
    assert problems(out) == []


def kill_at(monkeypatch, step):
    """Let the writing of the generation end at its N-th file; return how many were written."""
    seen = SimpleNamespace(files=0)

    def counting(write):
        def wrapper(*arguments):
            seen.files += 1
            if seen.files > step:
                raise Killed
            return write(*arguments)

        return wrapper

    for module, name in [(next_generation, "write_whole"), (next_generation, "write_via")]:
        monkeypatch.setattr(module, name, counting(getattr(module, name)))
    for name in ("write_places", "move_into_place", "write_for_others"):
        monkeypatch.setattr(
            next_generation, name, counting(getattr(finished, name, None) or getattr(next_generation, name))
        )
    return seen


def test_killed_at_each_step_of_the_end(gaps, copy, reference, tmp_path, monkeypatch):
    built = copy(gaps.out)
    num_steps = 14
    for step in range(num_steps + 1):
        out = shutil.copytree(built, tmp_path / f"step{step}")
        with monkeypatch.context() as patch:
            kill_at(patch, step)
            if step < num_steps:
                with pytest.raises(Killed):
                    build(gaps.raw, out, gaps.late, extend=True)
                assert_as_before(out, gaps)
            else:
                build(gaps.raw, out, gaps.late, extend=True)
        if step == 0:  # the shards are built, nothing is written: what later steps begin with
            shutil.rmtree(built)
            shutil.copytree(out, built)
        result = build(gaps.raw, out, gaps.late, extend=True)
        assert result.manifest.generation == 2
        assert hashes(out) == reference
    assert problems(out) == []


def test_verify_says_that_an_extension_is_in_its_last_step(gaps, copy, monkeypatch):
    out = copy(gaps.out)
    with monkeypatch.context() as patch:
        kill_at(patch, 10)
        with pytest.raises(Killed):
            build(gaps.raw, out, gaps.late, extend=True)
    assert any(
        "An extension to generation 2 was interrupted in its last step. Run it" in one
        for one in problems(out)
    )
