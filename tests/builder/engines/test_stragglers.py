"""Shards that take much longer than others are begun a second time elsewhere; who is first wins."""

import pytest

import vidprep
from tests.helpers.raw_videos.raw_k400 import SMALL
from tests.helpers.sets.builds import hashes
from vidprep.builder.engines import engine, stragglers
from vidprep.builder.engines.stragglers import ShardTimes
from vidprep.builder.shard_task import ShardTask, stop_if_asked
from vidprep.builder.workspace.lock import ask_to_stop
from vidprep.builder.workspace.paths import stop_path
from vidprep.errors import BuildStopped
from vidprep.recipes.recipe import Transcode


def times(begun, seconds):
    found = ShardTimes(seconds=list(seconds))
    for shard, when in begun.items():
        found.begin(shard, when)
    return found


def test_what_is_slow():
    found = times({7: 0.0, 8: 5.0, 9: 60.0}, [30.0, 31.0, 40.0])
    assert found.to_begin_again(61.0, ["a", "b", "c"]) == []
    assert found.to_begin_again(70.0, ["a"]) == [(7, "a")]
    assert found.to_begin_again(70.0, ["b", "c"]) == [(8, "b")]
    assert found.to_begin_again(71.0, ["c"]) == []  # each once


@pytest.mark.parametrize(
    ("seconds", "idle"),
    [([], ["a"]), ([30.0, 31.0], ["a"]), ([30.0, 31.0, 32.0], [])],
)
def test_nothing_is_slow_before_anybody_knows_or_can_help(seconds, idle):
    assert times({7: 0.0}, seconds).to_begin_again(1e6, idle) == []


def test_short_shards_are_not_worth_it():
    found = times({7: 0.0}, [1.0, 1.0, 1.0])
    assert found.to_begin_again(19.0, ["a"]) == []
    assert found.to_begin_again(21.0, ["a"]) == [(7, "a")]


@pytest.mark.slow
@pytest.mark.parametrize(("video", "shard"), [("video6", 0), ("held_out1", 3)])
def test_a_video_that_hangs_on_one_worker_only(
    video, shard, dozen, reference, tmp_path, misbehaving_ffmpeg, monkeypatch
):
    """The first FFmpeg that gets it waits until nobody needs it any more; the second one does its work."""
    monkeypatch.setattr(stragglers, "_LEAST_SECONDS", 0.5)
    first = tmp_path / "first"
    slow = misbehaving_ffmpeg(video, f'if mkdir "{first}" 2>/dev/null; then sleep 240; fi')
    events = []
    vidprep.build(
        "mini_k400",
        tmp_path / "set",
        sources=[dozen.folder],
        overrides=SMALL[1::2],
        workers=2,
        ffmpeg=slow,
        on_event=events.append,
    )
    assert first.is_dir()
    assert hashes(tmp_path / "set") == hashes(reference)
    begun = [event["shard"] for event in events if event["event"] == "shard"]
    assert sorted(begun) == sorted([0, 1, 2, 3, shard])
    assert [event["shard"] for event in events if event["event"] == "done"].count(shard) == 1


def test_only_a_stop_of_the_whole_build_ends_it(tmp_path, monkeypatch):
    """A worker on a shard that another one has finished is asked to stop; the build goes on."""
    monkeypatch.setattr(engine, "_LOOK_SECONDS", 0.0)
    task = ShardTask(tmp_path, 0, Transcode(), None, "", run="r")
    stop_path(tmp_path).parent.mkdir()

    class Completed:
        def __init__(self):
            self.batches = [["first"], ["second"]]

        def count(self):
            return len(self.batches)

        def next_batch(self, block):
            return self.batches.pop(0)

    ask_to_stop(tmp_path, task.name_of_stop)
    with pytest.raises(BuildStopped):
        stop_if_asked(task)
    assert list(engine._as_completed(Completed(), task, lambda: None)) == ["first", "second"]
    ask_to_stop(tmp_path)
    with pytest.raises(BuildStopped):
        list(engine._as_completed(Completed(), task, lambda: None))


def test_a_scheduler_that_is_gone_has_no_idle_workers():
    """Its futures end the build, with a message; a look for idle workers must not come first with another."""

    class Gone:
        def processing(self):
            raise OSError("Timed out trying to connect to tcp://127.0.0.1:42415 after 15 s")

    assert engine._idle_workers(Gone()) == []
