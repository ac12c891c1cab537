"""`vidprep train`: shards to a trained network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidprep.cli.options import (
    MACHINE,
    ComputeDevice,
    DecodeWorkers,
    Overrides,
    Shards,
    threads_sleep_while_they_wait,
)

if TYPE_CHECKING:
    from rich.console import Console

    from vidprep.harness.training.state import Training, TrainRequest

_RESULT = "What decides the result"
_FILES = "What is written"


RunDir = Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run.")]
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
Seed = Annotated[int, typer.Option(min=0, help="Of weights, order, clips, dropout.", rich_help_panel=_RESULT)]
PrecisionName = Annotated[
    Literal["bf16", "fp32"] | None,
    typer.Option(help="Of convolutions.", show_default="bf16 on a GPU", rich_help_panel=MACHINE),
]
MicroBatch = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Clips of a GPU in one pass; gradients of several passes are added up to the same batch.",
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
LogEvery = Annotated[int, typer.Option(min=1, help="Steps a line of metrics.jsonl.", rich_help_panel=_FILES)]
CheckpointMinutes = Annotated[
    float, typer.Option(min=0, help="Between checkpoints within an epoch.", rich_help_panel=_FILES)
]
KeepLast = Annotated[int, typer.Option(min=1, help="Newest checkpoints.", rich_help_panel=_FILES)]
KeepEvery = Annotated[
    int, typer.Option(min=1, help="Keep the checkpoint of every so many epochs.", rich_help_panel=_FILES)
]


def train(
    shards: Shards,
    run_dir: RunDir,
    resume: Resume = False,
    pipeline: RecipeName = None,
    overrides: Overrides = None,
    init: Init = None,
    seed: Seed = 0,
    device: ComputeDevice = None,
    precision: PrecisionName = None,
    micro_batch: MicroBatch = None,
    workers: DecodeWorkers = None,
    compile_it: Compile = False,
    deterministic: Deterministic = False,
    max_decode_errors: MaxDecodeErrors = 0,
    log_every: LogEvery = 10,
    checkpoint_minutes: CheckpointMinutes = 30.0,
    keep_last: KeepLast = 2,
    keep_every: KeepEvery = 5,
) -> None:
    """Train I3D-ResNet on a shard set by its recipe.

    One process uses one GPU, or the CPU. For more GPUs:
    torchrun --nproc-per-node=8 -m vidprep train ...

    SIGTERM, SIGUSR1 and Ctrl-C save the position first; the same command
    with --resume goes on there, on another number of GPUs, too.
    """
    threads_sleep_while_they_wait()
    from vidprep.harness.training.checkpoints import Keep
    from vidprep.harness.training.loop import check_run_folder
    from vidprep.harness.training.recipe_choice import training_recipe
    from vidprep.harness.training.state import TrainRequest
    from vidprep.shards.shard_set import ShardSet

    check_run_folder(run_dir, resume=resume)
    recipe, note = training_recipe(ShardSet.open(shards), pipeline, overrides)
    request = TrainRequest(
        shards=shards,
        run_dir=run_dir,
        recipe=recipe,
        init=_weights(init, recipe.model.depth),
        seed=seed,
        device=device,
        precision=precision,
        compile=compile_it,
        deterministic=deterministic,
        micro_batch=micro_batch,
        num_workers=workers,
        max_decode_errors=max_decode_errors,
        log_every=log_every,
        checkpoint_minutes=checkpoint_minutes,
        keep=Keep(keep_last, keep_every),
    )
    _run(request, note)


def _run(request: "TrainRequest", note: str | None) -> None:
    from rich.console import Console

    from vidprep.harness.ranks import joined_ranks
    from vidprep.harness.training.loop import train as run_training
    from vidprep.harness.training.setup import set_up_training

    with joined_ranks(request.device) as ranks:
        training = set_up_training(request, ranks)
        console = Console(stderr=True, highlight=False, quiet=not ranks.is_first)
        _say_what_is_trained(training, note, console)
        last = run_training(training, console)
    if ranks.is_first:
        typer.echo(
            f"Trained. The last checkpoint is {last}; this judges it: vidprep eval --shards {request.shards} "
            f"--checkpoint {request.run_dir} --out DIR"
        )


def _weights(init: str | None, depth: Literal[18, 34, 50, 101]) -> Path | None:
    from vidprep.model.imagenet import fetch_imagenet

    if init == "imagenet":
        return fetch_imagenet(depth)
    return Path(init) if init else None


def _say_what_is_trained(training: "Training", note: str | None, console: "Console") -> None:
    from vidprep.harness.conv_check import check_conv3d

    request, settings, stage = training.request, training.settings, training.request.recipe.optimisation
    per_epoch = training.position.per_epoch
    num_videos = per_epoch * stage.batch_size
    for line in (
        f"{request.recipe.title}: I3D-ResNet-{request.recipe.model.depth}, {len(training.classes)} classes, "
        f"{sum(p.numel() for p in training.bare.parameters()):,} parameters",
        training.loader.describe(),
        f"{per_epoch:,} steps an epoch, {stage.epochs} epochs: {per_epoch * stage.epochs:,} steps of "
        f"{stage.batch_size} clips ({num_videos:,} an epoch)",
        _passes(training),
        f"Learning rate {stage.lr:g}, {_schedule(request)}",
        training.began_with,
    ):
        console.print(line, soft_wrap=True, markup=False)
    if note:
        console.print(note, soft_wrap=True, style="yellow", markup=False)
    if settings.autocast is not None and settings.device.type == "cuda":
        warning = check_conv3d(settings.device).warning()
        if warning:
            console.print(f"Warning: {warning}", soft_wrap=True, style="yellow", markup=False)


def _passes(training: "Training") -> str:
    settings = training.settings
    split = settings.split
    passes = (
        f"{split.num_micro_batches} passes of {split.per_pass} clips"
        if split.num_micro_batches > 1
        else (f"{split.per_pass} clips")
    )
    precision = "float32" if settings.autocast is None else "bfloat16"
    where = f"{split.num_ranks} x {settings.device.type}" if split.num_ranks > 1 else str(settings.device)
    return f"{where}: {passes} a step on each, {precision}"


def _schedule(request: "TrainRequest") -> str:
    stage = request.recipe.optimisation
    if stage.schedule == "step":
        after = " and ".join(map(str, stage.milestones))
        return f"times {stage.gamma:g} after epochs {after}"
    return f"cosine to 0, by {stage.cosine_per}"
