"""What each worker is at, from the events of a log."""

from datetime import UTC, datetime, timedelta

from vidprep.builder.progress.worker_status import by_node, worker_statuses

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds, event, **more):
    return {"time": (START + timedelta(seconds=seconds)).isoformat(), "event": event, **more}


def begins(seconds, worker, shard, num_videos=4):
    return at(seconds, "shard", worker=worker, shard=shard, split="train", num_videos=num_videos)


def video(seconds, worker, shard, **more):
    return at(seconds, "video", worker=worker, shard=shard, **more)


EVENTS = [
    at(0, "start", host="login", pid=1, num_pending=3),
    begins(0, "10.0.0.7:41", 0),
    begins(0, "10.0.0.8:42", 1),
    video(2, "10.0.0.7:41", 0),
    video(4, "10.0.0.7:41", 0, reason="partial"),
    at(4, "retries", worker="10.0.0.7:41", num_retries=1),
    video(8, "10.0.0.8:42", 1),
]


def test_shard_rejected_rate_and_eta():
    one, other = worker_statuses(EVENTS, done=[])
    assert (one.node, one.worker, one.shards) == ("10.0.0.7", "10.0.0.7:41", (0,))
    assert (one.num_videos, one.num_videos_done, one.num_rejected) == (4, 2, 1)
    assert (one.videos_per_second, one.eta_seconds) == (0.5, 4.0)
    assert (other.videos_per_second, other.eta_seconds) == (0.125, 24.0)


def test_a_worker_whose_shard_is_finished_waits():
    one, _ = worker_statuses(EVENTS, done=[0])
    assert (one.shards, one.num_videos, one.eta_seconds, one.num_rejected) == ((), 0, None, 1)


def test_a_shard_that_another_worker_has_begun_is_not_shown_twice():
    one, other, third = worker_statuses([*EVENTS, begins(9, "10.0.0.9:43", 1)], done=[])
    assert (one.shards, other.shards, third.shards) == ((0,), (), (1,))
    assert third.eta_seconds is None  # too early to tell


def test_a_worker_that_is_gone_leaves_the_table():
    """Another one has begun its shard; ten minutes of silence after that."""
    taken_over = [*EVENTS, begins(9, "10.0.0.9:43", 1)]
    assert len(worker_statuses([*taken_over, video(607, "10.0.0.9:43", 1)], done=[])) == 3
    later = worker_statuses([*taken_over, video(608, "10.0.0.9:43", 1)], done=[])
    assert [one.worker for one in later] == ["10.0.0.7:41", "10.0.0.9:43"]  # .7 has a long video in hand


def test_the_rejected_of_earlier_shards_count():
    (one,) = worker_statuses(
        [at(0, "start", host="n1"), begins(0, "here", 0, 1), video(1, "here", 0, reason="partial"),
         begins(1, "here", 1), video(2, "here", 1)],
        done=[0],
    )  # fmt: skip
    assert (one.node, one.shards, one.num_videos_done, one.num_rejected) == ("n1", (1,), 1, 1)
    assert one.videos_per_second == 1.0


def test_a_loopback_address_is_the_machine_that_builds():
    found = worker_statuses([at(0, "start", host="n1"), begins(0, "127.0.0.1:41", 0)], done=[])
    assert [one.node for one in found] == ["n1"]


def test_nothing_begun():
    assert worker_statuses([], done=[]) == worker_statuses(EVENTS[:1], done=[]) == []


def test_workers_of_a_machine_together():
    events = [*EVENTS, begins(0, "10.0.0.7:44", 2), video(1, "10.0.0.7:44", 2)]
    first, second = by_node(worker_statuses(events, done=[]))
    assert (first.node, first.worker, first.shards) == ("10.0.0.7", "2 workers", (0, 2))
    assert (first.num_videos, first.num_videos_done, first.num_rejected) == (8, 3, 1)
    assert first.videos_per_second == 1.5
    assert second.node == "10.0.0.8"
