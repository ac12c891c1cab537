"""Bounds of the accuracy over all ANNOTATED videos of a split, including those that the shard set lacks."""

import numpy as np
import numpy.typing as npt

from vidprep.recipes.classes import published_counts
from vidprep.recipes.toml_models import Frozen
from vidprep.shards.shard_set import ShardSet


class Annotation(Frozen):
    """The accounting of the evaluated split: `used + rejected + missing = annotated`.

    A video that was not scored may be right or wrong. The bounds are the accuracy over all annotated videos
    if all unscored ones are wrong, and if all are right.

    Attributes:
        annotated: Rows of the annotation.
        used: Videos that the shard set holds.
        rejected: Videos whose file was there but could not be used; the ledger says why.
        missing: Videos without a file.
        expected: Videos that the publication counts (Kobayashi & Ye 2024, Table A); None: it gives no number.
        top1_bounds: Lowest and highest possible top-1, 0 to 1.
        top5_bounds: Lowest and highest possible top-5, 0 to 1.
    """

    annotated: int
    used: int
    rejected: int
    missing: int
    expected: int | None
    top1_bounds: tuple[float, float]
    top5_bounds: tuple[float, float]


def account_for_annotation(shards: ShardSet, split: str, ranks: npt.NDArray[np.int64]) -> Annotation | None:
    """Return the accounting of a split and what it means for the accuracy.

    Args:
        shards: The shard set.
        split: The split that was evaluated.
        ranks: (N,) of each scored video, how many classes rank before the true one, see `label_ranks`.

    Returns:
        None for tars without a manifest: it is not known from which videos they were taken.
    """
    if shards.manifest is None:
        return None
    total = shards.manifest.totals[split]
    return Annotation(
        annotated=total.annotated,
        used=total.used,
        rejected=total.rejected,
        missing=total.missing,
        expected=published_counts(shards.manifest.recipe.dataset).get(split),
        top1_bounds=bounds(int((ranks < 1).sum()), len(ranks), total.annotated),
        top5_bounds=bounds(int((ranks < 5).sum()), len(ranks), total.annotated),
    )


def bounds(num_right: int, num_scored: int, num_annotated: int) -> tuple[float, float]:
    """Return the share of annotated videos that are right, if all unscored ones are wrong, or all right.

        num_right=6, num_scored=8, num_annotated=10 -> (0.6, 0.8)

    Raises:
        ValueError: If not `num_right <= num_scored <= num_annotated`, or none is annotated.
    """
    if not 0 <= num_right <= num_scored <= num_annotated or not num_annotated:
        raise ValueError(
            f"{num_right} right of {num_scored} scored of {num_annotated} annotated videos: each may not be "
            "more than the next, and one has to be annotated."
        )
    num_absent = num_annotated - num_scored
    return num_right / num_annotated, (num_right + num_absent) / num_annotated
