"""`vidprep eval` and `rescore`: how good a network is, and on which videos."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidprep.cli.options import (
    MACHINE,
    CacheDir,
    CacheGB,
    ComputeDevice,
    DecodeWorkers,
    OutDir,
    PrecisionName,
    Shards,
    loader_options,
    set_passive_omp_wait,
)
from vidprep.durations import format_seconds
from vidprep.errors import HarnessError

if TYPE_CHECKING:
    from rich.table import Table

    from vidprep.harness.evaluation.results import Results

_MAX_NAMED = 10  # failed videos in a message
_VIEWS = re.compile(r"\d+x\d+")
_RANKS = {"RANK": "0", "WORLD_SIZE": "1"}  # as torchrun says


Checkpoint = Annotated[
    Path, typer.Option(metavar="FILE|RUN", help="A file of 3D weights, or a run's folder: its last epoch.")
]
Split = Annotated[str, typer.Option(help="Which split to evaluate.")]
Views = Annotated[
    str | None,
    typer.Option(metavar="CROPSxCLIPS", help="Views of a video, e.g. 3x10.", show_default="the recipe's"),
]
ProtocolName = Annotated[
    Literal["ibm"] | None,
    typer.Option(help="Views and head of IBM's action-recognition-pytorch, by dataset."),
]
ViewOverrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="eval_views.KEY=VALUE", help="Override a key of the views; repeatable."),
]
CentreTap = Annotated[
    bool,
    typer.Option(
        "--centre-tap",
        help="Cut temporal kernels to their centre tap first: what the network knows without motion.",
    ),
]
Versus = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="An earlier evaluation to print beside this one; repeatable."),
]
MicroBatch = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Views that the network takes at a time; changes memory and speed only.",
        show_default="8 of 32x256x256 on a GPU, 2 on a CPU",
        rich_help_panel=MACHINE,
    ),
]


def evaluate(
    shards: Shards,
    checkpoint: Checkpoint,
    out_dir: OutDir,
    split: Split = "validation",
    views: Views = None,
    protocol: ProtocolName = None,
    overrides: ViewOverrides = None,
    centre_tap: CentreTap = False,
    versus: Versus = None,
    device: ComputeDevice = None,
    precision: PrecisionName = None,
    micro_batch: MicroBatch = None,
    workers: DecodeWorkers = None,
    cache_dir: CacheDir = None,
    cache_gb: CacheGB = None,
) -> None:
    """Score every video of a split once; write results.json and predictions.parquet.

    Stopped or killed? The same command goes on where it was. For several GPUs:
    torchrun --nproc-per-node 8 -m vidprep eval ...
    """
    from rich.console import Console

    from vidprep.cli.display import EvalProgress

    rank, world_size = (int(os.environ.get(name, default)) for name, default in _RANKS.items())
    if views is not None and not _VIEWS.fullmatch(views):
        raise typer.BadParameter(
            f"{views!r} is not of the form CROPSxCLIPS, e.g. 3x10.", param_hint="--views"
        )
    with EvalProgress(world_size, Console(stderr=True, quiet=rank != 0)) as progress:
        set_passive_omp_wait()
        import vidprep
        from vidprep.harness.evaluation.results import read_results

        others = {path.name: read_results(path) for path in versus or ()}
        results = vidprep.evaluate(
            shards,
            checkpoint,
            out_dir,
            split=split,
            views=views,
            protocol=protocol,
            overrides=overrides or (),
            centre_tap=centre_tap,
            device=device,
            precision=precision,
            micro_batch=micro_batch,
            loading=loader_options(workers, cache_dir, cache_gb),
            on_video=progress.update,
        )
    if rank == 0:
        _print(results, out_dir, others)
    if not results.complete:
        raise HarnessError(_incomplete(results, out_dir))


def _print(results: "Results", out_dir: Path, others: dict[str, "Results"]) -> None:
    from rich.console import Console

    views = results.views
    console = Console(highlight=False)
    console.print(
        f"{results.shards.root}, {results.shards.split}: crops x clips = {views.num_crops} x "
        f"{views.num_clips}, {views.clip_len} frames each, {views.temporal}"
        + ("; cut to the centre tap, blind to motion" if results.centre_tap else ""),
        markup=False,
        soft_wrap=True,
    )
    console.print(_table(results, others))
    console.print(f"Results and predictions are in {out_dir}.", markup=False, soft_wrap=True)


def _table(results: "Results", others: dict[str, "Results"]) -> "Table":
    from rich.table import Table

    table = Table("", box=None)
    for heading in ("top-1", "95 %", "top-5", "95 %"):
        table.add_column(heading, justify="right")
    table.add_row("sum of logits", *_headline(results))
    for name, found in (("sum of softmax", results.softmax_sum), ("centre view", results.centre_view)):
        table.add_row(name, f"{found.top1:.2%}", "", f"{found.top5:.2%}")
    table.add_row("mean per class", f"{results.mean_per_class:.2%}")
    num_classes, seen = len(results.classes), results.coverage
    table.add_row(
        "chance", f"{1 / num_classes:.2%}", f"{num_classes} classes", f"{min(1, 5 / num_classes):.2%}"
    )
    for name, other in others.items():
        table.add_row(f"versus {name}{_differs(results, other)}", *_headline(other))
    table.add_row("videos", f"{seen.seen:,}", f"of {seen.expected:,}")
    table.add_row("views/s", f"{results.views_per_second:.1f}", f"in {format_seconds(results.seconds)}")
    return table


def _headline(results: "Results") -> list[str]:
    between = [f"{low:.2%} to {high:.2%}" for low, high in (results.interval.top1, results.interval.top5)]
    return [_bold(results.top1), between[0], _bold(results.top5), between[1]]


def _differs(results: "Results", other: "Results") -> str:
    """Say that two evaluations are not of the same videos or views."""
    if (results.shards.fingerprint, results.shards.split) != (other.shards.fingerprint, other.shards.split):
        return " (other videos!)"
    return "" if results.views == other.views else " (other views!)"


def _bold(share: float) -> str:
    return f"[bold]{share:.2%}[/]"


def _incomplete(results: "Results", out_dir: Path) -> str:
    seen = results.coverage
    counts = (
        f"{seen.missing} missing, {seen.duplicates} twice" if seen.duplicates else f"{seen.missing} missing"
    )
    failed = "".join(f"\n  {failure.key}: {failure.error}" for failure in seen.failed[:_MAX_NAMED])
    more = len(seen.failed) - _MAX_NAMED
    return (
        f"Not every one of the {seen.expected} videos was scored once: {counts}. These are no figures "
        f"to report.{failed}"
        + (f"\n  and {more} more, see {out_dir / 'results.json'}" if more > 0 else "")
        + "\n"
        "Mend the shards (vidprep verify) and run the same command: the other videos are kept."
    )


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
    from vidprep.shards.passports.making import open_passport

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
