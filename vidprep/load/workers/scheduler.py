"""Keep the slots of the ring busy and hand them out in order; shared by both loaders."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from vidprep.errors import LoaderError, ShardError
from vidprep.load.sampling.views import View
from vidprep.load.stats import Stats
from vidprep.load.workers.engine import Engine
from vidprep.load.workers.jobs import Done, Job
from vidprep.shards.stored_video import StoredVideo


class Request(NamedTuple):
    """A video and the views of it that a batch wants."""

    video: StoredVideo
    views: tuple[View, ...]


@dataclass
class Filling:
    """A slot and what is being decoded into it.

    Attributes:
        slot: Number of the slot.
        requests: The videos of the batch, in order.
        num_open: How many of them are not decoded yet.
        failures: Messages about those that failed, by the first row of the video in the slot.
    """

    slot: int
    requests: list[Request]
    num_open: int
    failures: dict[int, str] = field(default_factory=dict)


def fill_slots(
    engine: Engine,
    batches: Iterator[list[Request]],
    *,
    num_slots: int,
    stats: Stats,
    keep_unreadable: bool = False,
) -> Iterator[Filling]:
    """Yield a filled slot for each batch, in order; asking for the next one gives the slot back.

    Args:
        engine: Decodes the jobs.
        batches: The videos of each batch, in order; asked for as slots become free.
        num_slots: Slots of the engine's ring.
        stats: Counts the work and the times.
        keep_unreadable: Note missing or wrong bytes in `failures`, like a video that does not decode.

    Raises:
        ShardError: If bytes are missing or wrong, unless `keep_unreadable`.
        LoaderError: If the engine cannot go on.
    """
    free = deque(range(num_slots))
    queue: deque[Filling] = deque()
    by_slot: dict[int, Filling] = {}
    while True:
        while free and (requests := next(batches, None)) is not None:
            filling = Filling(free.popleft(), requests, len(requests))
            _submit(engine, filling)
            queue.append(filling)
            by_slot[filling.slot] = filling
        stats.collate += stats.lap()
        if not queue:
            return
        filling = queue.popleft()
        while filling.num_open:
            _note(engine.next_done(), by_slot, stats, keep_unreadable)
        stats.wait += stats.lap()
        stats.num_batches += 1
        yield filling
        free.append(filling.slot)


def _submit(engine: Engine, filling: Filling) -> None:
    row = 0
    for request in filling.requests:
        engine.submit(Job(filling.slot, row, request.video, request.views))
        row += len(request.views)


def _note(done: Done, by_slot: dict[int, Filling], stats: Stats, keep_unreadable: bool) -> None:
    if done.failure == "shard" and not keep_unreadable:
        raise ShardError(done.message)
    if done.failure == "bug":
        raise LoaderError(done.message)
    filling = by_slot[done.slot]
    filling.num_open -= 1
    if done.failure:
        filling.failures[done.row] = done.message
    else:
        stats.add(done, len(filling.requests[0].views))
