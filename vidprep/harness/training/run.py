"""Train a network on a shard set: the whole of it, as one function."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from vidprep.harness.device import Precision
from vidprep.harness.ranks import Device, joined_ranks
from vidprep.harness.stop_signals import StopSignals
from vidprep.harness.training.checkpoints import Keep
from vidprep.harness.training.loop import check_run_folder, train_to_the_end
from vidprep.harness.training.recipe_choice import training_recipe
from vidprep.harness.training.run_facts import describe_training, training_warnings
from vidprep.harness.training.setup import set_up_training
from vidprep.harness.training.state import TrainEvent, TrainRequest, TrainResult, TrainStarted
from vidprep.load import LoaderOptions
from vidprep.model.imagenet import fetch_imagenet
from vidprep.recipes.recipe import Recipe
from vidprep.shards.shard_set import ShardSet


def train(
    shards: Path | str,
    run_dir: Path | str,
    *,
    recipe: Recipe | Path | str | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    init: Path | Literal["imagenet"] | None = None,
    seed: int = 0,
    device: Device | None = None,
    precision: Precision | None = None,
    micro_batch: int | None = None,
    compile: bool = False,
    deterministic: bool = False,
    loading: LoaderOptions | None = None,
    max_decode_errors: int = 0,
    log_every: int = 10,
    checkpoint_minutes: float = 30.0,
    keep_last: int = 2,
    keep_every: int = 5,
    on_event: Callable[[TrainEvent], object] = lambda event: None,
) -> TrainResult:
    """Train a network on the training split of a shard set.

    One process uses one GPU, or the CPU; under torchrun, each takes its share of the same batches. Only the
    recipe and the seed decide the result; the rest says how to use the machine. SIGTERM, SIGUSR1 and Ctrl-C
    save the position first.

        result = vidprep.train("shards/motion", "runs/new", overrides=["optimisation.epochs=1"])
        print(result.checkpoint)

    Args:
        shards: A shard set, its folder or its URL.
        run_dir: Where the run lies or shall lie; a folder that all ranks see.
        recipe: A recipe, or the name or path of a pipeline; None: the one that the shards were built with.
        overrides: `table.key=value` settings of the recipe.
        resume: Go on at the newest checkpoint; begin if there is none.
        init: File of weights to begin with, or "imagenet" for torchvision's; None: drawn.
        seed: Of weights, order, clips and dropout.
        device: None: a GPU where there is one.
        precision: Of the convolutions; None: "bf16" on a GPU, "fp32" on a CPU.
        micro_batch: Clips of one rank in one pass; None: its whole share of the batch.
        compile: Have PyTorch compile the network first.
        deterministic: Take kernels that give the same numbers on every run of a GPU, where there are any.
        loading: How to read and decode; None: the defaults.
        max_decode_errors: Videos that may fail to decode before the training gives up.
        log_every: Steps from one line of metrics to the next.
        checkpoint_minutes: Minutes from one checkpoint within an epoch to the next.
        keep_last: Newest checkpoints that stay.
        keep_every: Of every N-th epoch the checkpoint stays, too.
        on_event: Told what happens; on the first rank only.

    Raises:
        CheckpointError: If weights cannot be used, or are of other classes.
        DecodeError: If more videos than allowed do not decode.
        HarnessError: If the run, its folder, the device or the numbers are not fit; what is saved is kept.
        HarnessStopped: If a signal asked for it; the position is saved.
        RecipeError: If the recipe or an override is wrong.
        ShardError: If the shards are not complete, or lack the training split.
    """
    run_dir = Path(run_dir)
    with StopSignals() as signals:
        check_run_folder(run_dir, resume=resume)
        resolved, note = training_recipe(ShardSet.open(shards), recipe, overrides)
        request = TrainRequest(
            shards=str(shards),
            run_dir=run_dir,
            recipe=resolved,
            init=fetch_imagenet(resolved.model.depth) if init == "imagenet" else init,
            seed=seed,
            device=device,
            precision=precision,
            compile=compile,
            deterministic=deterministic,
            micro_batch=micro_batch,
            loading=loading or LoaderOptions(),
            max_decode_errors=max_decode_errors,
            log_every=log_every,
            checkpoint_minutes=checkpoint_minutes,
            keep=Keep(keep_last, keep_every),
        )
        with joined_ranks(device) as ranks:
            training = set_up_training(request, ranks)
            tell = on_event if ranks.is_first else lambda event: None
            warnings = training_warnings(training, note)
            epochs = resolved.optimisation.epochs
            tell(TrainStarted(training.position, epochs, describe_training(training), warnings))
            checkpoint = train_to_the_end(training, signals, tell)
    return TrainResult(run_dir, checkpoint, epochs, training.position.total_steps)
