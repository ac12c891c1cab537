"""Videos that cannot end before their job does are not begun."""

import time

import pytest

import vidprep
from tests.helpers.raw_videos.raw_k400 import SMALL
from tests.helpers.sets.builds import hashes
from vidprep.builder import job_time
from vidprep.builder.engines.engine import build_in_process
from vidprep.builder.job_time import Pace, wait_if_too_late
from vidprep.builder.workspace.lock import ask_to_stop
from vidprep.builder.workspace.plan_file import shard_source_bytes
from vidprep.errors import BuildStopped

DISTANT = 3600


@pytest.fixture
def pace(monkeypatch):
    found = Pace()
    monkeypatch.setattr(job_time, "PACE", found)
    monkeypatch.setattr("vidprep.builder.shard.PACE", found)
    monkeypatch.delenv("VIDPREP_JOB_END", raising=False)
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    return found


def nobody(*_):
    raise AssertionError


def test_what_is_expected(pace):
    assert pace.expected_seconds(10**12) == 0.0
    pace.note(1_000_000, 4.0)
    pace.note(3_000_000, 6.0)
    assert pace.expected_seconds(6_000_000) == pytest.approx(30.0)
    assert pace.expected_seconds(0) == pace.expected_seconds(-1) == pytest.approx(10.0)


def test_sizes_that_nobody_knows(pace):
    pace.note(-1, 4.0)
    assert pace.expected_seconds(6_000_000) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("VIDPREP_JOB_END", ""),
        ("VIDPREP_JOB_END", "tomorrow"),
        ("SLURM_JOB_END_TIME", str(int(time.time()) + 100 * DISTANT)),  # there is time
        ("SLURM_JOB_END_TIME", str(int(time.time()) - DISTANT)),  # the job got more time than it says
    ],
    ids=["empty", "no number", "much time", "in the past"],  # a time in a name differs between processes
)
def test_nothing_is_held_back(pace, monkeypatch, name, words):
    pace.note(1, 1.0)
    monkeypatch.setenv(name, words)
    wait_if_too_late(DISTANT, nobody, nobody)


def test_a_build_waits_until_it_is_told_to_stop_and_goes_on_in_the_next_job(
    dozen, reference, tmp_path, pace, monkeypatch
):
    """Before its fourth video nothing is known that forbids one; then a video seems to take forever."""
    out, events = tmp_path / "set", []

    def note(event):
        events.append(event)
        if sum(one["event"] == "video" for one in events) == 3:
            pace.note(1, 1e6)
        if event["event"] == "no time":
            ask_to_stop(out)

    monkeypatch.setenv("VIDPREP_JOB_END", str(int(time.time()) + DISTANT))
    words = {"sources": [dozen.folder], "overrides": SMALL[1::2], "in_process": True, "on_event": note}
    with pytest.raises(BuildStopped, match=r"finished and kept, and \d videos of others"):
        vidprep.build("mini_k400", out, **words)
    (held,) = [event for event in events if event["event"] == "no time"]
    assert held["seconds"] > DISTANT > held["seconds_left"] > DISTANT / 2
    num_before = sum(event["event"] == "video" for event in events)
    assert 3 <= num_before <= 5  # those in hand were finished
    monkeypatch.delenv("VIDPREP_JOB_END")
    events.clear()
    vidprep.build("mini_k400", out, **words)
    assert hashes(out) == hashes(reference)


def test_tasks_know_the_size_of_their_sources(reference, monkeypatch):
    sizes = shard_source_bytes(reference)
    assert len(sizes) == 4
    assert all(size > 1000 for size in sizes)


def test_the_bytes_do_not_depend_on_the_order(dozen, reference, tmp_path, monkeypatch):
    """Dask begins the largest first; here, the order is turned around."""
    monkeypatch.setattr(
        "vidprep.builder.from_raw.choose_engine",
        lambda **_: lambda tasks, report: build_in_process(tasks[::-1], report),
    )
    vidprep.build("mini_k400", tmp_path / "set", sources=[dozen.folder], overrides=SMALL[1::2])
    assert hashes(tmp_path / "set") == hashes(reference)
