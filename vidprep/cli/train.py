"""`vidprep train`: shards to a trained network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidprep.cli.options import (
    MACHINE,
    CacheDir,
    CacheGB,
    ComputeDevice,
    DecodeWorkers,
    Generation,
    Overrides,
    PrecisionName,
    Shards,
    loader_options,
    set_passive_omp_wait,
)
from vidprep.errors import HarnessError

if TYPE_CHECKING:
    from vidprep.harness.training.planning.plan import MicroBatch as MicroBatchSize
    from vidprep.harness.training.planning.plan import TrainingPlan

_RESULT = "What decides the result"
_FILES = "What is written"


RunDir = Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Folder of the run.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Say what the training takes and whether it fits; begin nothing.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on at the newest checkpoint; begin if there is none.")
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="A pipeline, or the path of a TOML file.",
        show_default="the shards' own",
        rich_help_panel=_RESULT,
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|imagenet",
        help="Weights to begin with: 2D or 3D, torchvision's, IBM's, ours, safetensors. 'imagenet' "
        "downloads torchvision's.",
        show_default="drawn",
        rich_help_panel=_RESULT,
    ),
]
InitOptimiser = Annotated[
    bool,
    typer.Option(
        "--init-optimiser", help="Take the momentum of --init, too: a checkpoint's.", rich_help_panel=_RESULT
    ),
]
Extend = Annotated[
    bool,
    typer.Option(
        "--extend",
        help="With --resume: go on with another optimisation.epochs, a cosine's too. A step schedule needs "
        "--set optimisation.epochs=N only.",
        rich_help_panel=_RESULT,
    ),
]
AllowChange = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        help="With --resume: this setting may be another one from here on; noted in run.json; repeatable.",
        rich_help_panel=_RESULT,
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of weights, order, clips, dropout.", rich_help_panel=_RESULT)]
MicroBatch = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="Clips of a rank in one pass, or 'auto': as many as fit into memory. Gradients of several "
        "passes are added up to the same batch.",
        show_default="all",
        rich_help_panel=MACHINE,
    ),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the network first.", rich_help_panel=MACHINE)
]
Deterministic = Annotated[
    bool,
    typer.Option(
        "--deterministic",
        help="Kernels that give the same numbers on every run of a GPU, where there are any; slower.",
        rich_help_panel=MACHINE,
    ),
]
MaxDecodeErrors = Annotated[
    int,
    typer.Option(min=0, help="Videos that may fail to decode before it gives up.", rich_help_panel=MACHINE),
]
Name = Annotated[
    str | None,
    typer.Option(help="What the run is called.", show_default="its folder's name", rich_help_panel=_FILES),
]
Note = Annotated[str | None, typer.Option(help="What there is to say of it.", rich_help_panel=_FILES)]
Loggers = Annotated[
    list[str] | None,
    typer.Option(
        "--logger",
        metavar="NAME",
        help="What gets the numbers besides metrics.jsonl: tensorboard, csv, wandb, mlflow; repeatable.",
        show_default="tensorboard",
        rich_help_panel=_FILES,
    ),
]
LogEvery = Annotated[int, typer.Option(min=1, help="Steps a line of metrics.jsonl.", rich_help_panel=_FILES)]
CheckpointMinutes = Annotated[
    float, typer.Option(min=0, help="Between checkpoints within an epoch.", rich_help_panel=_FILES)
]
KeepLast = Annotated[int, typer.Option(min=1, help="Newest checkpoints.", rich_help_panel=_FILES)]
KeepEvery = Annotated[
    int, typer.Option(min=1, help="Keep the checkpoint of every N-th epoch.", rich_help_panel=_FILES)
]
KeepBest = Annotated[
    Literal["top1"] | None,
    typer.Option(
        help="Keep the checkpoint that was best on the validation split, too: checkpoints/best.pt.",
        show_default="not",
        rich_help_panel=_FILES,
    ),
]


def train(
    shards: Shards,
    run_dir: RunDir = None,
    plan: Plan = False,
    generation: Generation = None,
    resume: Resume = False,
    extend: Extend = False,
    allow_change: AllowChange = None,
    pipeline: RecipeName = None,
    overrides: Overrides = None,
    init: Init = None,
    init_optimiser: InitOptimiser = False,
    seed: Seed = 0,
    device: ComputeDevice = None,
    precision: PrecisionName = None,
    micro_batch: MicroBatch = None,
    workers: DecodeWorkers = None,
    cache_dir: CacheDir = None,
    cache_gb: CacheGB = None,
    compile_it: Compile = False,
    deterministic: Deterministic = False,
    max_decode_errors: MaxDecodeErrors = 0,
    name: Name = None,
    note: Note = None,
    loggers: Loggers = None,
    log_every: LogEvery = 10,
    checkpoint_minutes: CheckpointMinutes = 30.0,
    keep_last: KeepLast = 2,
    keep_every: KeepEvery = 5,
    keep_best: KeepBest = None,
) -> None:
    """Train I3D-ResNet on a shard set by its recipe.

    One process uses one GPU, or the CPU. For more GPUs:
    torchrun --nproc-per-node=8 -m vidprep train ...

    SIGTERM, SIGUSR1 and Ctrl-C save the position first; the same command
    with --resume goes on there, on another number of GPUs, too.
    """
    import os

    from rich.console import Console

    from vidprep.cli.display import TrainProgress

    if run_dir is None and not plan:
        raise typer.BadParameter("a training needs a folder; only --plan does without.", param_hint="--out")
    is_first = os.environ.get("RANK", "0") == "0"
    with TrainProgress(Console(stderr=True, highlight=False, quiet=not is_first)) as progress:
        set_passive_omp_wait()
        import vidprep
        from vidprep.harness.training.loggers.interface import check_loggers

        opened = vidprep.ShardSet.open(shards, generation=generation)
        if run_dir is None or plan:
            _show_plan(
                vidprep.plan_training(
                    opened,
                    recipe=pipeline,
                    overrides=overrides or (),
                    device=device,
                    precision=precision,
                    micro_batch=_clips(micro_batch),
                    loading=loader_options(workers, cache_dir, cache_gb),
                )
            )
            return
        result = vidprep.train(
            opened,
            run_dir,
            recipe=pipeline,
            overrides=overrides or (),
            resume=resume,
            extend=extend,
            allow_change=allow_change or (),
            init=_weights(init),
            init_optimiser=init_optimiser,
            seed=seed,
            device=device,
            precision=precision,
            micro_batch=_clips(micro_batch),
            compile=compile_it,
            deterministic=deterministic,
            loading=loader_options(workers, cache_dir, cache_gb),
            max_decode_errors=max_decode_errors,
            name=name,
            note=note,
            loggers=check_loggers(loggers or ("tensorboard",)),
            log_every=log_every,
            checkpoint_minutes=checkpoint_minutes,
            keep_last=keep_last,
            keep_every=keep_every,
            keep_best=keep_best,
            on_event=progress.update,
        )
    if is_first:
        typer.echo(
            f"Trained. The last checkpoint is {result.checkpoint}; this judges it: "
            f"vidprep eval --shards {shards} --checkpoint {run_dir} --out DIR"
        )


def _show_plan(plan: "TrainingPlan") -> None:
    for sentence in plan.sentences():
        typer.echo(sentence)
    if not plan.fits:
        raise HarnessError(plan.refusal())


def _clips(micro_batch: str | None) -> "MicroBatchSize":
    if micro_batch is None:
        return None
    if micro_batch == "auto":
        return "auto"
    if not micro_batch.isdecimal() or int(micro_batch) < 1:
        raise typer.BadParameter(
            f"{micro_batch!r} is neither a number of clips nor 'auto'.", param_hint="--micro-batch"
        )
    return int(micro_batch)


def _weights(init: str | None) -> Path | Literal["imagenet"] | None:
    if init == "imagenet":
        return "imagenet"
    return Path(init) if init else None


def runs(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds runs.")]) -> None:
    """Show the runs below a folder: where each is, its best and last validation, and what differs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from vidprep.harness.run_table import differing_settings, summarise_runs

    found = summarise_runs(folder)
    differing = differing_settings(found)
    table = Table(box=None, header_style="bold")
    called = any(run.name or run.note for run in found)
    names = ("run", "name", "note") if called else ("run",)
    for heading in (*names, "state", "epoch", "loss", "best", "last", *differing):
        table.add_column(heading, overflow="fold")
    for run in found:
        best = f"{run.best[0]:.2%} (epoch {run.best[1]:.0f})" if run.best else "–"
        texts = [
            str(run.path.relative_to(folder)),
            *((run.name or "–", run.note or "–") if called else ()),
            f"{run.state} ({run.torn})" if run.torn else run.state,
            f"{run.epoch:.4g} of {run.epochs}" if run.settings else "–",
            f"{run.loss:.3f}" if run.loss is not None else "–",
            best,
            f"{run.last:.2%}" if run.last is not None else "–",
            *(str((run.settings or {}).get(name, "–")) for name in differing),
        ]
        table.add_row(*map(Text, texts))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=400)  # in a file or a pipe a row is one line
    console.print(table)
