"""Which shards take so much longer than the others that they are begun a second time elsewhere; pure.

The worker that finishes first counts, as both write the same bytes. A slow disk or a busy machine then costs
the time of one more shard, not of twenty.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

_FACTOR = 2.0
_NUM_TIMES = 3  # finished shards that are needed before any is called slow
_LEAST_SECONDS = 20.0


@dataclass
class ShardTimes:
    """When shards were begun and how long others took.

    Attributes:
        begun: When each shard in hand was begun, by number; only the first time counts.
        seconds: How long each finished shard took.
        again: Shards that were begun a second time.
    """

    begun: dict[int, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    again: set[int] = field(default_factory=set)

    def begin(self, shard: int, now: float) -> None:
        """Note that a worker has begun a shard."""
        self.begun.setdefault(shard, now)

    def finish(self, shard: int, now: float) -> None:
        """Note that a shard is finished."""
        if shard in self.begun:
            self.seconds.append(now - self.begun.pop(shard))

    def to_begin_again(self, now: float, idle: Sequence[str]) -> list[tuple[int, str]]:
        """Return slow shards with the idle worker that should begin each, too: the slowest first, each once.

        A shard is slow when it takes more than twice the median of at least three finished ones.

            begun {7: 0.0}, seconds [30, 31, 40], now 70.0, idle ["a", "b"] -> [(7, "a")]
        """
        if not idle or len(self.seconds) < _NUM_TIMES:
            return []
        limit = max(_LEAST_SECONDS, _FACTOR * statistics.median(self.seconds))
        begun = dict(self.begun)  # another thread adds to it
        slow = [shard for shard, time in begun.items() if now - time > limit and shard not in self.again]
        chosen = list(zip(sorted(slow, key=begun.__getitem__), idle, strict=False))
        self.again.update(shard for shard, _ in chosen)
        return chosen
