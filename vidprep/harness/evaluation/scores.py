"""Figures from scores: arrays in, numbers out.

N = videos, V = views of a video, C = classes. The views of a video are summed, not averaged: the order of the
classes is the same. A class ranks before another if its score is higher, or equal with a lower label; so the
predicted class does not depend on the sorting algorithm.
"""

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vidprep.recipes.recipe import EvalViews

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class VideoScores(NamedTuple):
    """The scores of one video.

    Attributes:
        predicted: The class with the highest sum of logits.
        scores: Logits of every view, (V, C) float16, cut off at the ends of float16's range.
        logit_sum: Logits summed over the views, (C,) float32.
        softmax_sum: Softmax of each view, summed over the views, (C,) float32.
        logit_rank: Number of classes before the true one by `logit_sum`; 0 if the true one is predicted.
        softmax_rank: The same by `softmax_sum`.
        centre_rank: The same by the logits of the centre view alone.
    """

    predicted: int
    scores: npt.NDArray[np.float16]
    logit_sum: Floats
    softmax_sum: Floats
    logit_rank: int
    softmax_rank: int
    centre_rank: int


def score_video(logits: Floats, label: int, *, centre: int) -> VideoScores:
    """Sum the views of a video, and find where the true class ranks.

    Args:
        logits: (V, C) float32.
        label: The true class.
        centre: Number of the centre view, see `centre_view`.

    Raises:
        ValueError: If a logit is not a finite number.
    """
    if not np.isfinite(logits).all():
        raise ValueError(f"{int((~np.isfinite(logits)).sum())} of {logits.size} logits are not finite.")
    logit_sum, softmax_sum = logits.sum(0), softmax(logits).sum(0)
    ranks = label_ranks(np.stack([logit_sum, softmax_sum, logits[centre]]), np.full(3, label))
    largest = np.finfo(np.float16).max
    return VideoScores(
        int(logit_sum.argmax()),  # the first of equals
        logits.clip(-largest, largest).astype(np.float16),
        logit_sum,
        softmax_sum,
        *map(int, ranks),
    )


def softmax(logits: Floats) -> Floats:
    """Return the softmax over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    shares: Floats = powers / powers.sum(-1, keepdims=True)
    return shares


def label_ranks(scores: Floats, labels: Ints) -> Ints:
    """Return how many classes rank before the true one.

        scores=[[1, 3, 3, 2]], label 2 -> 1   (class 1 has the same score and the lower label)

    Args:
        scores: (N, C).
        labels: (N,), the true class of each.

    Returns:
        (N,) from 0 to C - 1; a video counts for top-k if its rank is below k.
    """
    own = scores[np.arange(len(labels)), labels][:, None]
    lower = np.arange(scores.shape[1]) < labels[:, None]
    ranks: Ints = ((scores > own) | ((scores == own) & lower)).sum(1)
    return ranks


def top_k(ranks: Ints, k: int) -> float:
    """Return top-k accuracy, 0 to 1: the share of videos whose true class is among the first `k`.

    Args:
        ranks: (N,) number of classes before the true one, see `label_ranks`.
        k: 1 or more; with at most `k` classes the accuracy is 1.

    Raises:
        ValueError: If there are no videos.
    """
    if not len(ranks):
        raise ValueError("top-k accuracy needs at least one video.")
    return float((ranks < k).mean())


def mean_per_class(ranks: Ints, labels: Ints) -> float:
    """Return the mean over classes of top-1; classes without a video do not count.

    Args:
        ranks: (N,) number of classes before the true one, see `label_ranks`.
        labels: (N,) the true class of each video.

    Raises:
        ValueError: If there are no videos.
    """
    if not len(ranks):
        raise ValueError("The mean per class needs at least one video.")
    counts = np.bincount(labels)
    right = np.bincount(labels, weights=ranks == 0)
    return float((right[counts > 0] / counts[counts > 0]).mean())


def wilson_interval(share: float, num_videos: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of a share of `num_videos`, e.g. of an accuracy, ends from 0 to 1.

    Source: E. B. Wilson 1927, "Probable inference, the law of succession, and statistical inference"; unlike
    the normal approximation it stays within 0 and 1, also for few videos.

    Raises:
        ValueError: If there are no videos.
    """
    if num_videos < 1:
        raise ValueError(f"num_videos must be at least 1, got {num_videos}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    shrink = 1 + z * z / num_videos
    middle = (share + z * z / (2 * num_videos)) / shrink
    half = z / shrink * sqrt(share * (1 - share) / num_videos + z * z / (4 * num_videos**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def centre_view(views: EvalViews) -> int:
    """Return the number of the view that is the middle clip's middle crop."""
    centre_crop = views.num_crops // 2
    if views.crops == "ibm" and views.num_crops == 3:
        centre_crop = 2  # its crops come as both ends, then the centre
    return views.num_clips // 2 * views.num_crops + centre_crop
