"""Figures of a finished evaluation on fewer videos: those that several shard sets have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from vidprep.errors import HarnessError
from vidprep.harness.evaluation.pairing import PairedDifference, paired_difference
from vidprep.harness.evaluation.results import PREDICTIONS, Results, read_results
from vidprep.harness.evaluation.scores import label_ranks, mean_per_class, top_k, wilson_interval
from vidprep.shards.layout import sample_key
from vidprep.shards.passports.passport import Passport


@dataclass(frozen=True)
class Rescored:
    """The figures of an evaluation on chosen videos; shares from 0 to 1.

    Attributes:
        num_videos: Videos that were chosen and judged.
        num_judged: Videos that the evaluation judged in all.
        top1: By the sum of logits, with its 95 % interval.
        top5: The same.
        mean_per_class: Mean of each class's top-1.
    """

    num_videos: int
    num_judged: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]
    mean_per_class: float


def rescore(eval_dir: Path, passports: Sequence[Passport] = ()) -> Rescored:
    """Return the figures of an evaluation on the videos that all passports hold.

    Args:
        eval_dir: A finished evaluation.
        passports: Of shard sets; none: all videos that were judged.

    Raises:
        HarnessError: If there is no evaluation, or no video is left.
    """
    results = read_results(eval_dir)
    predictions = read_predictions(eval_dir)
    chosen = _chosen(predictions, results, passports)
    if not len(chosen):
        raise HarnessError(
            f"{eval_dir} has judged {len(predictions):,} videos, none of which is in all of: "
            f"{', '.join(passport.origin for passport in passports)}. Are they of the same dataset and split?"
        )
    labels = chosen["label"].to_numpy().astype(np.int64)
    ranks = label_ranks(np.stack(chosen["logit_sum"].to_list()), labels)
    top1, top5 = top_k(ranks, 1), top_k(ranks, 5)
    return Rescored(
        num_videos=len(chosen),
        num_judged=len(predictions),
        top1=top1,
        top1_interval=wilson_interval(top1, len(chosen)),
        top5=top5,
        top5_interval=wilson_interval(top5, len(chosen)),
        mean_per_class=mean_per_class(ranks, labels),
    )


def compare_evaluations(
    first_dir: Path, second_dir: Path, passports: Sequence[Passport] = ()
) -> PairedDifference:
    """Compare two evaluations on the videos that both have judged.

    Raises:
        HarnessError: If their classes differ, or they have no video in common.
    """
    first, second = read_results(first_dir), read_results(second_dir)
    if first.classes != second.classes:
        raise HarnessError(
            f"{first_dir} and {second_dir} are evaluations over different class lists "
            f"({len(first.classes)} and {len(second.classes)} classes): their labels do not compare."
        )
    left = _chosen(read_predictions(first_dir), first, passports)
    right = read_predictions(second_dir)
    both = left.merge(right, on="key", suffixes=("_first", "_second"))
    if not len(both):
        raise HarnessError(f"{first_dir} and {second_dir} have no video in common that both have judged.")
    return paired_difference(_is_right(both, "_first"), _is_right(both, "_second"))


def read_predictions(eval_dir: Path) -> pd.DataFrame:
    """Read key, label, predicted and logit_sum of each video that an evaluation has judged.

    Raises:
        HarnessError: If they are missing or damaged.
    """
    path, columns = eval_dir / PREDICTIONS, ["key", "label", "predicted", "logit_sum"]
    try:
        table = pq.ParquetFile(path).read(use_threads=False).select(columns)
    except (OSError, ValueError, KeyError) as error:
        raise HarnessError(
            f"{path} cannot be read ({error}). Run the evaluation again into another folder."
        ) from error
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _chosen(predictions: pd.DataFrame, results: Results, passports: Sequence[Passport]) -> pd.DataFrame:
    keys = set(predictions["key"])
    for passport in passports:
        rows = passport.rows
        held = rows[(rows["status"] == "used") & (rows["split"] == results.shards.split)]
        keys &= {
            sample_key(split, video) for split, video in zip(held["split"], held["video_id"], strict=True)
        }
    return predictions[predictions["key"].isin(keys)]


def _is_right(rows: pd.DataFrame, side: str) -> npt.NDArray[np.bool_]:
    right: npt.NDArray[Any] = (rows[f"predicted{side}"] == rows[f"label{side}"]).to_numpy()
    return right.astype(bool)
