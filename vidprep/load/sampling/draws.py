"""Random integers that depend on what they are for, and on nothing else.

NumPy keeps its bit streams stable from release to release, but not what its distributions make of them; a run
that is resumed after an upgrade must see the same clips. So both generators here are spelled out.
"""

import hashlib

import numpy as np
import numpy.typing as npt

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))

Uint64s = npt.NDArray[np.uint64]


class Draws:
    """A stream of random integers, a pure function of `words`.

    Args:
        words: What is drawn and for whom, e.g. `Draws("clip", seed, epoch, key)`.
    """

    def __init__(self, *words: str | int) -> None:
        text = "\0".join(str(word) for word in words)
        self._state = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def below(self, limit: int) -> int:
        """Return an integer from 0 to `limit - 1`, each as likely as the others to within limit / 2**64.

        Raises:
            ValueError: If `limit` is smaller than 1.
        """
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}.")
        return (self._next() * limit) >> 64

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a float from `low` to `high`, of 53 random bits."""
        return low + (high - low) * (self.below(1 << 53) / (1 << 53))

    def _next(self) -> int:
        """Return 64 random bits: SplitMix64 (Steele, Lea & Flood 2014)."""
        self._state = (self._state + _GOLDEN) & _MASK
        bits = self._state
        for shift, factor in _MIX:
            bits = ((bits ^ (bits >> shift)) * factor) & _MASK
        return bits ^ (bits >> 31)


def mix(values: Uint64s) -> Uint64s:
    """Return a hash of each value: SplitMix64's finaliser, on arrays."""
    for shift, factor in _MIX:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))
