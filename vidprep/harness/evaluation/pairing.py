"""Two networks on the same videos: is one better, or is it chance?

Videos that both get right, or both get wrong, say nothing; the difference is in
the others, and a test on pairs sees smaller differences than two intervals side by side.
"""

from dataclasses import dataclass
from math import comb, exp, lgamma, log
from typing import Any

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
_RESAMPLINGS = 10_000


@dataclass(frozen=True)
class PairedDifference:
    """How two networks compare on the same videos; shares from 0 to 1.

    Attributes:
        num_videos: Number of videos that both were evaluated on.
        first: Top-1 of the first.
        second: Top-1 of the second.
        only_first: Number of videos that only the first gets right.
        only_second: Number of videos that only the second gets right.
        p_value: Two-sided p-value of the exact McNemar test of `only_first` against `only_second`.
        interval: Confidence interval of `first - second` (paired bootstrap).
        level: Confidence level of the interval.
    """

    num_videos: int
    first: float
    second: float
    only_first: int
    only_second: int
    p_value: float
    interval: tuple[float, float]
    level: float

    @property
    def difference(self) -> float:
        """Return `first - second`."""
        return self.first - self.second


def paired_difference(first: Bools, second: Bools, *, level: float = 0.95, seed: int = 0) -> PairedDifference:
    """Compare two networks on the same videos.

    Args:
        first: (N,) whether the first is right.
        second: (N,) whether the second is right, video by video.
        level: Confidence level of the interval.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there are no videos, or not as many of both.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"Two networks are compared on the same videos, got {len(first)} and {len(second)}.")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return PairedDifference(
        num_videos=len(first),
        first=float(first.mean()),
        second=float(second.mean()),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
        interval=_bootstrap(only_first, only_second, len(first), level=level, seed=seed),
        level=level,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of the exact McNemar test.

    Without a difference, each of the n discordant videos is the first's with probability 1/2:
    p = min(1, 2 P(X <= min(only_first, only_second))), X ~ Binomial(n, 1/2).

    Source: McNemar 1947, Psychometrika 12(2); the exact form is the sign test.
    """
    n, k = only_first + only_second, min(only_first, only_second)
    if n <= 1000:
        tail: float = sum(comb(n, i) for i in range(k + 1)) / 2**n
    else:  # in logarithms: 2**n is beyond a float
        logs = [lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - n * log(2) for i in range(k + 1)]
        top = max(logs)
        tail = exp(top) * sum(exp(value - top) for value in logs)
    return min(1.0, 2 * tail)


def _bootstrap(
    only_first: int, only_second: int, num_videos: int, *, level: float, seed: int
) -> tuple[float, float]:
    """Return percentiles of the difference over resampled videos.

    A resampling of the videos draws the three kinds (first only, second only, the others) from a multinomial
    distribution: the same numbers as drawing video by video, without drawing each.
    """
    shares = np.array([only_first, only_second, num_videos - only_first - only_second]) / num_videos
    drawn = np.random.default_rng(seed).multinomial(num_videos, shares, size=_RESAMPLINGS)
    differences = (drawn[:, 0] - drawn[:, 1]) / num_videos
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def class_differences(first: Bools, second: Bools, labels: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return top-1 per class of both, the classes with the greatest differences first.

    Returns:
        `label`, `num_videos`, `first`, `second` of each class that occurs.
    """
    rows = []
    for label in np.unique(labels):
        chosen = labels == label
        rows.append(
            {
                "label": int(label),
                "num_videos": int(chosen.sum()),
                "first": float(first[chosen].mean()),
                "second": float(second[chosen].mean()),
            }
        )
    return sorted(rows, key=lambda row: (-abs(row["first"] - row["second"]), row["label"]))
