"""In which order an epoch shows its samples: a function of (seed, epoch), with nothing to store.

Position p of an epoch holds sample `order.rows(p)`; global batch b is positions [b * B, (b + 1) * B). Neither
knows about ranks or workers, so any number of them sees the same batches, and a run resumes by starting to
count at another step.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from vidprep.load.sampling.draws import Draws, Uint64s, mix

Shuffle = Literal["full", "block", "none"]
Rows = npt.NDArray[np.int64]

_ROUNDS = 8
_BLOCK_SHARDS = 8  # never change it: a run that resumes needs the order that it began with


class Permutation:
    """A random permutation of 0 .. `size` - 1 that is computed, not stored.

    A Feistel network over the next power of four, walked until it falls inside (Black & Rogaway 2002,
    "Ciphers with arbitrary finite domains"): 3 steps on average at worst.

    Args:
        size: At least 1.
        words: What is permuted; equal words and sizes make equal permutations.
    """

    def __init__(self, size: int, *words: str | int) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}.")
        self.size = size
        bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._half = np.uint64(bits)
        self._mask = np.uint64((1 << bits) - 1)
        draws = Draws("permutation", *words)
        self._keys = np.array([draws.below(1 << 64) for _ in range(_ROUNDS)], dtype=np.uint64)

    def __call__(self, positions: Rows) -> Rows:
        """Return what stands at each of `positions`."""
        values = self._scramble(positions.astype(np.uint64))
        while (outside := values >= self.size).any():
            values[outside] = self._scramble(values[outside])
        return values.astype(np.int64)

    def _scramble(self, values: Uint64s) -> Uint64s:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (mix(right + key) & self._mask)
        return (left << self._half) | right


class EpochOrder:
    """The samples of one epoch in order; any stretch of positions can be asked for.

    Args:
        shard_sizes: Samples in each shard; sample numbers count through the shards.
        seed: With `epoch`, decides the order.
        epoch: From 0.
        shuffle: "full" over all samples; "block": shards in random order, samples shuffled within groups of
            8 shards, for disks that dislike seeking; "none".

    Raises:
        ValueError: If there are no samples.
    """

    def __init__(
        self,
        shard_sizes: Sequence[int],
        *,
        seed: int,
        epoch: int,
        shuffle: Shuffle = "full",
    ) -> None:
        if shuffle not in _ROWS:
            raise ValueError(f"shuffle must be one of {', '.join(_ROWS)}; got {shuffle!r}.")
        self.num_samples = sum(shard_sizes)
        self._words = (seed, epoch)
        self._rows = _ROWS[shuffle]
        self._all = Permutation(self.num_samples, "samples", *self._words)
        self._sizes = np.asarray(shard_sizes, dtype=np.int64)
        self._starts = np.concatenate(([0], np.cumsum(self._sizes)))
        shards = Permutation(len(self._sizes), "shards", *self._words)
        self._shards = shards(np.arange(len(self._sizes)))  # shard numbers in this epoch's order
        self._ends = np.cumsum(self._sizes[self._shards])

    def rows(self, start: int, stop: int) -> Rows:
        """Return the sample numbers at positions `start` to `stop - 1`."""
        positions = np.arange(start, min(stop, self.num_samples), dtype=np.int64)
        return self._rows(self, positions)

    def _full_rows(self, positions: Rows) -> Rows:
        return self._all(positions)

    def _stored_rows(self, positions: Rows) -> Rows:
        return positions

    def _block_rows(self, positions: Rows) -> Rows:
        """Shuffle inside each block of shards, then find the shard that holds the shuffled position."""
        shuffled = np.empty_like(positions)
        blocks = np.searchsorted(self._ends, positions, side="right") // _BLOCK_SHARDS
        for block in np.unique(blocks):
            first, last = block * _BLOCK_SHARDS, min((block + 1) * _BLOCK_SHARDS, len(self._ends))
            start = self._ends[first - 1] if first else 0
            inside = Permutation(int(self._ends[last - 1] - start), "block", *self._words, int(block))
            here = blocks == block
            shuffled[here] = start + inside(positions[here] - start)
        turn = np.searchsorted(self._ends, shuffled, side="right")
        shard = self._shards[turn]
        offset: Rows = self._starts[shard] + shuffled - (self._ends[turn] - self._sizes[shard])
        return offset


_ROWS = {
    "full": EpochOrder._full_rows,
    "block": EpochOrder._block_rows,
    "none": EpochOrder._stored_rows,
}


def rank_slice(rows: Rows, *, rank: int, world_size: int) -> Rows:
    """Return the samples of a global batch that rank `rank` of `world_size` decodes: a contiguous share.

    Shares of a last, smaller batch differ by one.
    """
    return rows[rank * len(rows) // world_size : (rank + 1) * len(rows) // world_size]
