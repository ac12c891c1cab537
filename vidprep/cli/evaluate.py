"""`vidprep eval` and `rescore`: how good a network is, and on which videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidprep.cli.options import MACHINE, Generation, MachineOptions, OutDir, Shards, shorten_omp_waiting
from vidprep.errors import HarnessError
from vidprep.files import distinct_names
from vidprep.machine import rank_and_world_size

if TYPE_CHECKING:
    from vidprep.harness.evaluation.comparisons.versus import ComparedEvaluations
    from vidprep.harness.evaluation.results import Results

_MAX_NAMED = 10  # failed videos in a message


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
        help="Cut temporal kernels to their centre tap first: this breaks most networks, see --probe.",
    ),
]
ProbeName = Annotated[
    Literal["frozen", "shuffled", "reversed"] | None,
    typer.Option(
        help="Show every clip as its middle frame only, with its frames out of order, or backwards: what the "
        "network takes from motion."
    ),
]
ClassOrderFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        help="In which order the network has its classes, if its file does not say: a file of names (one a "
        "line, or JSON), or uniformer_k400.",
    ),
]
AllCheckpoints = Annotated[
    bool,
    typer.Option("--all-checkpoints", help="Evaluate every epoch's checkpoint of a run; also draw a curve."),
]
Versus = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="An earlier evaluation to compare with, video by video; repeatable."),
]
On = Annotated[
    list[Path] | None,
    typer.Option(
        "--on",
        metavar="PASSPORT",
        help="Also give the accuracy on videos that this set has, too: a passport or a set; repeatable.",
    ),
]
WeightsName = Annotated[
    Literal["trained", "ema"] | None,
    typer.Option(
        help="The weights as trained, or their average (optimisation.ema_decay).",
        show_default="as in the checkpoint's recipe",
    ),
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
    generation: Generation = None,
    split: Split = "validation",
    views: Views = None,
    protocol: ProtocolName = None,
    overrides: ViewOverrides = None,
    centre_tap: CentreTap = False,
    probe: ProbeName = None,
    classes: ClassOrderFile = None,
    all_checkpoints: AllCheckpoints = False,
    versus: Versus = None,
    on: On = None,
    weights: WeightsName = None,
    micro_batch: MicroBatch = None,
    *,
    machine: MachineOptions,
) -> None:
    """Score every video of a split once; write results.json and predictions.parquet.

    Stopped or killed? The same command goes on where it was. For several GPUs:
    torchrun --nproc-per-node 8 -m vidprep eval ...
    """
    from rich.console import Console

    from vidprep.cli.display import EvalProgress
    from vidprep.recipes.pipelines import view_counts

    rank, world_size = rank_and_world_size()
    try:
        view_counts(views)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--views") from error
    with EvalProgress(world_size, Console(stderr=True, quiet=rank != 0)) as progress:
        shorten_omp_waiting()
        import vidprep
        from vidprep.cli.tables.evaluation import print_results
        from vidprep.harness.evaluation.results import read_results

        others = {name: read_results(path) for name, path in distinct_names(versus or ()).items()}
        results = vidprep.evaluate(
            vidprep.ShardSet.open(shards, generation=generation),
            checkpoint,
            out_dir,
            split=split,
            views=views,
            protocol=protocol,
            overrides=overrides or (),
            centre_tap=centre_tap,
            probe=probe,
            classes=classes,
            all_checkpoints=all_checkpoints,
            weights=weights,
            micro_batch=micro_batch,
            **machine.arguments(),
            on=on or (),
            on_video=progress.update,
        )
    if rank == 0:
        print_results(results, out_dir, others, _compared(out_dir, versus or (), results, others))
    if not results.all_stored_scored:
        raise HarnessError(_not_all_scored(results, out_dir))


def _compared(
    out_dir: Path, paths: Sequence[Path], results: "Results", others: dict[str, "Results"]
) -> list["ComparedEvaluations"]:
    """Compare with earlier evaluations over the same classes; write versus-NAME.csv, a row per class."""
    import vidprep

    found = []
    for name, path in distinct_names(paths).items():
        if others[name].classes != results.classes:
            continue
        comparison = vidprep.compare_evaluations(out_dir, path)
        comparison.write(out_dir / f"versus-{name.strip('/').replace('/', '_')}.csv")
        found.append(comparison)
    return found


def _not_all_scored(results: "Results", out_dir: Path) -> str:
    seen = results.coverage
    counts = f"{seen.unscored} were not" + (f", {seen.duplicates} were twice" if seen.duplicates else "")
    failed = "".join(f"\n  {failure.key}: {failure.error}" for failure in seen.failed[:_MAX_NAMED])
    more = len(seen.failed) - _MAX_NAMED
    return (
        f"Not every one of the {seen.stored} stored videos was scored once: {counts}. These are no figures "
        f"to report.{failed}"
        + (f"\n  and {more} more, see {out_dir / 'results.json'}" if more > 0 else "")
        + "\n"
        "Mend the shards (vidprep verify) and run the same command: the other videos are kept."
    )


def rescore(
    eval_dir: Annotated[Path, typer.Argument(metavar="EVAL", help="Folder of a finished evaluation.")],
    on: On = None,
    versus: Annotated[
        list[Path] | None,
        typer.Option(metavar="EVAL", help="Another evaluation to compare with, video by video; repeatable."),
    ] = None,
) -> None:
    """Compare evaluations on equal terms: accuracy on common videos, and paired tests.

    The network is not run again: the stored predictions of the evaluation are counted.
    """
    from rich.console import Console

    import vidprep
    from vidprep.cli.tables.evaluation import print_comparison
    from vidprep.shards.passports.making import open_passport

    passports = [open_passport(path) for path in on or ()]
    found = vidprep.rescore(eval_dir, passports)
    console = Console(highlight=False, soft_wrap=True)
    low, high = found.top1_interval
    console.print(
        f"{eval_dir}: top-1 {found.top1:.2%} (95 %: {low:.2%} to {high:.2%}), top-5 {found.top5:.2%}, "
        f"mean per class {found.mean_per_class:.2%}, over {found.num_videos:,} of {found.num_judged:,} "
        "evaluated videos"
        + (f"; {found.num_different:,} left out that show different things" if found.num_different else ""),
        markup=False,
    )
    for other in versus or ():
        print_comparison(vidprep.compare_evaluations(eval_dir, other, passports), console)


def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="E.g. ibm_ssv2, ibm_k400, kobayashi_mini_ssv2.")
    ],
    shards: Shards,
    checkpoint: Checkpoint,
    out_dir: OutDir,
    micro_batch: MicroBatch = None,
    *,
    machine: MachineOptions,
) -> None:
    """Evaluate under the conditions of a published accuracy, and print ours beside it.

    It also prints what differs from the published conditions: stored videos, missing videos, weights.
    """
    from rich.console import Console

    from vidprep.cli.display import EvalProgress

    with EvalProgress(1, Console(stderr=True)) as progress:
        shorten_omp_waiting()
        import vidprep
        from vidprep.cli.tables.reproduction import print_reproduction

        found = vidprep.reproduce(
            name,
            shards,
            checkpoint,
            out_dir,
            micro_batch=micro_batch,
            **machine.arguments(),
            on_video=progress.update,
        )
    print_reproduction(found)
    if not found.results.all_stored_scored:
        raise HarnessError(_not_all_scored(found.results, out_dir))
