"""`vidprep rescore`: a finished evaluation on the videos that several shard sets have in common."""

from pathlib import Path
from typing import Annotated

import typer


def rescore(
    eval_dir: Annotated[Path, typer.Argument(metavar="EVAL", help="Folder of a finished evaluation.")],
    on: Annotated[
        list[Path] | None,
        typer.Option("--on", metavar="PASSPORT", help="Count only videos that this set holds; repeatable."),
    ] = None,
    versus: Annotated[
        list[Path] | None,
        typer.Option(metavar="EVAL", help="Another evaluation to compare with, video by video; repeatable."),
    ] = None,
) -> None:
    """Judge on equal terms: accuracy on common videos, and paired tests against other evaluations.

    Nothing is computed anew: the predictions of the evaluation are counted again.
    """
    from rich.console import Console

    from vidprep.harness.evaluation.rescore import compare_evaluations
    from vidprep.harness.evaluation.rescore import rescore as count_again
    from vidprep.shards.set_passport import open_passport

    passports = [open_passport(path) for path in on or ()]
    found = count_again(eval_dir, passports)
    console = Console(highlight=False, soft_wrap=True)
    low, high = found.top1_interval
    console.print(
        f"{eval_dir}: top-1 {found.top1:.2%} (95 %: {low:.2%} to {high:.2%}), top-5 {found.top5:.2%}, "
        f"mean per class {found.mean_per_class:.2%}, over {found.num_videos:,} of {found.num_judged:,} "
        "judged videos",
        markup=False,
    )
    for other in versus or ():
        pair = compare_evaluations(eval_dir, other, passports)
        low, high = pair.interval
        console.print(
            f"versus {other}: {pair.difference:+.2%} (95 %: {low:+.2%} to {high:+.2%}; McNemar p = "
            f"{pair.p_value:.2g}) on {pair.num_videos:,} common videos; only the one is right on "
            f"{pair.only_first:,}, only the other on {pair.only_second:,}",
            markup=False,
        )
