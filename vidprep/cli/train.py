"""`vidprep train` and `runs`: train a network on shards, and list training runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vidprep.cli.options import MACHINE, Generation, MachineOptions, Overrides, Shards, shorten_omp_waiting
from vidprep.errors import HarnessError
from vidprep.machine import rank_and_world_size

if TYPE_CHECKING:
    from vidprep.harness.training.planning.plan import MicroBatch as MicroBatchSize
    from vidprep.shards.shard_set import ShardSet

_RESULT = "What decides the result"
_FILES = "What is written"


RunDir = Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Folder of the run.")]
Plan = Annotated[
    bool,
    typer.Option(
        "--plan", help="Tell how much memory and time the training takes and whether it fits; do not train."
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the newest checkpoint; begin if there is none.")
]


@dataclass(frozen=True)
class ResultOptions:
    """Options that decide the result, and those that let a resumed run change them."""

    overrides: Overrides = None
    extend: Annotated[
        bool,
        typer.Option(
            "--extend",
            help="With --resume: allow another optimisation.epochs, even for a cosine schedule. With a step "
            "schedule --set optimisation.epochs=N is enough.",
            rich_help_panel=_RESULT,
        ),
    ] = False
    allow_change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="With --resume: allow this setting to change from here on; noted in run.json; repeatable.",
            rich_help_panel=_RESULT,
        ),
    ] = None
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="NAME",
            help="A pipeline, or the path of a TOML file.",
            show_default="the shards' own",
            rich_help_panel=_RESULT,
        ),
    ] = None
    init: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|imagenet",
            help="Weights to begin with: 2D or 3D, torchvision's, IBM's, ours, safetensors. 'imagenet' "
            "downloads torchvision's.",
            show_default="drawn",
            rich_help_panel=_RESULT,
        ),
    ] = None
    init_optimiser: Annotated[
        bool,
        typer.Option(
            "--init-optimiser",
            help="Also take the optimiser's momentum from --init, which is then a checkpoint of a run.",
            rich_help_panel=_RESULT,
        ),
    ] = False
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of weights, order, clips and dropout.", rich_help_panel=_RESULT)
    ] = 0

    def arguments(self) -> dict[str, Any]:
        """Return the options as arguments of `vidprep.train`."""
        init = Path(self.init) if self.init and self.init != "imagenet" else self.init or None
        lists = {"overrides": self.overrides or (), "allow_change": self.allow_change or ()}
        return vars(self) | lists | {"init": init}


@dataclass(frozen=True)
class TrainMachineOptions(MachineOptions):
    """Options that say how a training uses the machine."""

    micro_batch: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Clips of a rank in one pass, or 'auto': as many as fit into memory. Gradients of several "
            "passes are added up to the same batch.",
            show_default="all",
            rich_help_panel=MACHINE,
        ),
    ] = None
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the network first.", rich_help_panel=MACHINE)
    ] = False
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="Use GPU kernels that give the same numbers on every run, where there are any; slower.",
            rich_help_panel=MACHINE,
        ),
    ] = False
    max_decode_errors: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many videos may fail to decode before the training stops.",
            rich_help_panel=MACHINE,
        ),
    ] = 0

    def arguments(self) -> dict[str, Any]:
        """Return the options as arguments of `vidprep.train`."""
        return super().arguments() | {
            "micro_batch": _clips(self.micro_batch),
            "compile": self.compile,
            "deterministic": self.deterministic,
            "max_decode_errors": self.max_decode_errors,
        }


@dataclass(frozen=True)
class FileOptions:
    """Options that say what is written."""

    name: Annotated[
        str | None,
        typer.Option(
            help="What the run is called.", show_default="its folder's name", rich_help_panel=_FILES
        ),
    ] = None
    note: Annotated[
        str | None, typer.Option(help="A note about the run, for run.json.", rich_help_panel=_FILES)
    ] = None
    loggers: Annotated[
        list[str] | None,
        typer.Option(
            "--logger",
            metavar="NAME",
            help="Where the numbers go, besides metrics.jsonl: tensorboard, csv, wandb, mlflow; repeatable.",
            show_default="tensorboard",
            rich_help_panel=_FILES,
        ),
    ] = None
    log_every: Annotated[
        int, typer.Option(min=1, help="Write a line of metrics.jsonl every N steps.", rich_help_panel=_FILES)
    ] = 10
    checkpoint_minutes: Annotated[
        float,
        typer.Option(min=0, help="Minutes between checkpoints within an epoch.", rich_help_panel=_FILES),
    ] = 30.0
    keep_last: Annotated[
        int, typer.Option(min=1, help="How many of the newest checkpoints stay.", rich_help_panel=_FILES)
    ] = 2
    keep_every: Annotated[
        int, typer.Option(min=1, help="Keep the checkpoint of every N-th epoch.", rich_help_panel=_FILES)
    ] = 5
    keep_best: Annotated[
        Literal["top1"] | None,
        typer.Option(
            help="Keep the checkpoint that was best on the validation split, too: checkpoints/best.pt.",
            show_default="not",
            rich_help_panel=_FILES,
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """Return the options as arguments of `vidprep.train`."""
        from vidprep.harness.training.loggers.interface import check_loggers

        return vars(self) | {"loggers": check_loggers(self.loggers or ("tensorboard",))}


def train(
    shards: Shards,
    run_dir: RunDir = None,
    plan: Plan = False,
    generation: Generation = None,
    resume: Resume = False,
    *,
    results: ResultOptions,
    machine: TrainMachineOptions,
    files: FileOptions,
) -> None:
    """Train I3D-ResNet on a shard set by its recipe.

    One process uses one GPU, or the CPU. For more GPUs:
    torchrun --nproc-per-node=8 -m vidprep train ...

    SIGTERM, SIGUSR1 and Ctrl-C save the position first; the same command
    with --resume goes on there, on another number of GPUs, too.
    """
    from rich.console import Console

    from vidprep.cli.display import TrainProgress

    if run_dir is None and not plan:
        raise typer.BadParameter("a training needs a folder; only --plan does without.", param_hint="--out")
    rank, _ = rank_and_world_size()
    with TrainProgress(Console(stderr=True, highlight=False, quiet=rank != 0)) as progress:
        shorten_omp_waiting()
        import vidprep

        opened = vidprep.ShardSet.open(shards, generation=generation)
        if run_dir is None or plan:
            _show_plan(opened, results, machine)
            return
        result = vidprep.train(
            opened,
            run_dir,
            resume=resume,
            **results.arguments(),
            **machine.arguments(),
            **files.arguments(),
            on_event=progress.update,
        )
    if rank == 0:
        typer.echo(
            f"Trained. The last checkpoint is {result.checkpoint}; this evaluates it: "
            f"vidprep eval --shards {shards} --checkpoint {run_dir} --out DIR"
        )


def _show_plan(shards: "ShardSet", results: ResultOptions, machine: TrainMachineOptions) -> None:
    import vidprep

    plan = vidprep.plan_training(
        shards,
        recipe=results.recipe,
        overrides=results.overrides or (),
        micro_batch=_clips(machine.micro_batch),
        **MachineOptions.arguments(machine),
    )
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


def runs(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds runs.")]) -> None:
    """Show the runs below a folder: how far each is, its best and last validation, and differing settings."""
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
