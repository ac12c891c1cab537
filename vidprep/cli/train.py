"""`vidprep train`: shards to a trained network."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vidprep.cli.options import (
    MACHINE,
    CacheDir,
    CacheGB,
    ComputeDevice,
    DecodeWorkers,
    Overrides,
    PrecisionName,
    Shards,
    loader_options,
    set_passive_omp_wait,
)

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
    int, typer.Option(min=1, help="Keep the checkpoint of every N-th epoch.", rich_help_panel=_FILES)
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
    cache_dir: CacheDir = None,
    cache_gb: CacheGB = None,
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
    import os

    from rich.console import Console

    from vidprep.cli.display import TrainProgress

    is_first = os.environ.get("RANK", "0") == "0"
    with TrainProgress(Console(stderr=True, highlight=False, quiet=not is_first)) as progress:
        set_passive_omp_wait()
        import vidprep

        result = vidprep.train(
            shards,
            run_dir,
            recipe=pipeline,
            overrides=overrides or (),
            resume=resume,
            init=_weights(init),
            seed=seed,
            device=device,
            precision=precision,
            micro_batch=micro_batch,
            compile=compile_it,
            deterministic=deterministic,
            loading=loader_options(workers, cache_dir, cache_gb),
            max_decode_errors=max_decode_errors,
            log_every=log_every,
            checkpoint_minutes=checkpoint_minutes,
            keep_last=keep_last,
            keep_every=keep_every,
            on_event=progress.update,
        )
    if is_first:
        typer.echo(
            f"Trained. The last checkpoint is {result.checkpoint}; this judges it: "
            f"vidprep eval --shards {shards} --checkpoint {run_dir} --out DIR"
        )


def _weights(init: str | None) -> Path | Literal["imagenet"] | None:
    if init == "imagenet":
        return "imagenet"
    return Path(init) if init else None
