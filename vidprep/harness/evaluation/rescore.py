"""Figures of a finished evaluation on fewer videos: those that several shard sets have in common."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vidprep.errors import HarnessError
from vidprep.harness.evaluation.results import CommonFigures, Results, read_results
from vidprep.harness.evaluation.scores import label_ranks, mean_per_class, top_k, wilson_interval
from vidprep.harness.evaluation.tables.predictions import read_predictions
from vidprep.shards.passports.comparison import common_videos
from vidprep.shards.passports.passport import Passport


def rescore(eval_dir: Path | str, passports: Sequence[Passport] = ()) -> CommonFigures:
    """Return the figures of an evaluation on the videos that all passports hold.

    Videos whose content is not the same in all of them (wrong downloads) are left out.

        print(vidprep.rescore("evals/motion").top1)

    Args:
        eval_dir: A finished evaluation.
        passports: Passports of shard sets; with none, all videos of the evaluation count.

    Raises:
        HarnessError: If there is no evaluation, a passport is of another dataset, or no video is left.
    """
    eval_dir = Path(eval_dir)
    results = read_results(eval_dir)
    check_passports(passports, results.classes)
    predictions = read_predictions(eval_dir)
    chosen, num_different = on_common_videos(predictions, results, passports)
    if not len(chosen):
        raise HarnessError(
            f"{eval_dir} holds {len(predictions):,} evaluated videos, none of which is in all of: "
            f"{', '.join(passport.origin for passport in passports)}. See what they hold of split "
            f"{results.shards.split}: vidprep compare."
        )
    labels = chosen["label"].to_numpy().astype(np.int64)
    ranks = label_ranks(np.stack(chosen["logit_sum"].to_list()), labels)
    top1, top5 = top_k(ranks, 1), top_k(ranks, 5)
    return CommonFigures(
        passports={passport.origin: passport.head.sha256 for passport in passports},
        num_videos=len(chosen),
        num_judged=len(predictions),
        num_different=num_different,
        top1=top1,
        top1_interval=wilson_interval(top1, len(chosen)),
        top5=top5,
        top5_interval=wilson_interval(top5, len(chosen)),
        mean_per_class=mean_per_class(ranks, labels),
    )


def check_passports(passports: Sequence[Passport], classes: Collection[str]) -> None:
    """Refuse passports of another dataset than the evaluated one.

    Raises:
        HarnessError: If one has no class in common with `classes`.
    """
    for passport in passports:
        if not set(passport.head.classes) & set(classes):
            raise HarnessError(
                f"{passport.origin} is the passport of another dataset ({passport.head.recipe.dataset.name}, "
                f"with classes such as '{passport.head.classes[0]}'), the evaluation is over "
                f"{len(classes)} others. Give passports of the dataset that was evaluated."
            )


def on_common_videos(
    predictions: pd.DataFrame, results: Results, passports: Sequence[Passport]
) -> tuple[pd.DataFrame, int]:
    """Return the predictions of common videos, and how many are left out because their content differs."""
    if not passports:
        return predictions, 0
    keys, different = common_videos(passports, results.shards.split)
    return predictions[predictions["key"].isin(keys)], int(predictions["key"].isin(different).sum())
