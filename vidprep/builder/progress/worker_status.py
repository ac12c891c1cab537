"""What each worker of a build is doing, from the events of its log; pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

_SILENCE = timedelta(minutes=10)  # longer than a video takes
_HERE = ("here", "127.", "localhost", "[::1]", "inproc")


@dataclass(frozen=True)
class WorkerStatus:
    """What one worker is doing, or all workers of a machine together.

    Attributes:
        node: The machine: its name, or its address where only that is known.
        worker: Its address in Dask; "here": the process of the build itself.
        shards: Numbers of the shards that it is building; none: it waits for work, or ended a short time ago.
        num_videos: Videos planned for these shards.
        num_videos_done: Those of them that are done.
        num_rejected: Videos that it has rejected since the build was last started.
        videos_per_second: Its videos a second since then, all shards together; 0.0 if too early to tell.
    """

    node: str
    worker: str
    shards: tuple[int, ...]
    num_videos: int
    num_videos_done: int
    num_rejected: int
    videos_per_second: float

    @property
    def eta_seconds(self) -> float | None:
        """About how many seconds until its current shards are finished; None if that is not known."""
        left = self.num_videos - self.num_videos_done
        return left / self.videos_per_second if self.shards and self.videos_per_second else None


class _Worker:
    def __init__(self, began: datetime) -> None:
        self.shard: int | None = None
        self.began = self.last = began
        self.num_videos = self.num_in_shard = self.num_done = self.num_rejected = 0

    def take_in(self, event: dict[str, Any]) -> None:
        self.last = datetime.fromisoformat(event["time"])
        if event["event"] == "shard":
            self.shard, self.num_videos, self.num_in_shard = event["shard"], event["num_videos"], 0
        elif event["event"] == "video":
            self.num_in_shard += 1
            self.num_done += 1
            self.num_rejected += "reason" in event

    def status(self, node: str, name: str) -> WorkerStatus:
        seconds = (self.last - self.began).total_seconds()
        has_shard = self.shard is not None
        return WorkerStatus(
            node=node,
            worker=name,
            shards=() if self.shard is None else (self.shard,),
            num_videos=self.num_videos if has_shard else 0,
            num_videos_done=self.num_in_shard if has_shard else 0,
            num_rejected=self.num_rejected,
            videos_per_second=self.num_done / seconds if seconds > 0 else 0.0,
        )


def worker_statuses(events: Sequence[dict[str, Any]], done: Collection[int]) -> list[WorkerStatus]:
    """Return what each worker is doing, in the order of their names.

    A worker that has no shard, and wrote nothing in the last ten minutes of the log, has ended or has no more
    work: it is left out.

    Args:
        events: Events of one process that builds, from its last start on.
        done: Numbers of the finished shards.
    """
    workers: dict[str, _Worker] = {}
    for event in events:
        if event["event"] not in ("shard", "video"):
            continue
        name = event["worker"]
        if event["event"] == "shard":
            _take_away(event["shard"], workers.values())
        if name not in workers:
            workers[name] = _Worker(datetime.fromisoformat(event["time"]))
        workers[name].take_in(event)
    for shard in done:
        _take_away(shard, workers.values())
    newest = max((one.last for one in workers.values()), default=datetime.min)
    shown = [name for name, one in workers.items() if one.shard is not None or newest - one.last < _SILENCE]
    host = str(events[0].get("host", "")) if events else ""
    return [workers[name].status(_node(name, host), name) for name in sorted(shown)]


def by_node(workers: Iterable[WorkerStatus]) -> list[WorkerStatus]:
    """Return one status a machine, its workers together."""
    groups: dict[str, list[WorkerStatus]] = {}
    for one in workers:
        groups.setdefault(one.node, []).append(one)
    return [
        WorkerStatus(
            node=node,
            worker=f"{len(group)} workers",
            shards=tuple(sorted(shard for one in group for shard in one.shards)),
            num_videos=sum(one.num_videos for one in group),
            num_videos_done=sum(one.num_videos_done for one in group),
            num_rejected=sum(one.num_rejected for one in group),
            videos_per_second=sum(one.videos_per_second for one in group),
        )
        for node, group in sorted(groups.items())
    ]


def _take_away(shard: int, workers: Iterable[_Worker]) -> None:
    """Note that a shard is finished, or begun by another worker: the one before is gone, or slow."""
    for worker in workers:
        if worker.shard == shard:
            worker.shard = None


def _node(worker: str, host: str) -> str:
    address = worker.rpartition("://")[2]
    return host if address.startswith(_HERE) and host else address.rpartition(":")[0] or address
