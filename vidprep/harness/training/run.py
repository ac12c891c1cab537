"""Train a network on a shard set: the whole of it, as one function."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vidprep.errors import HarnessError, RecipeError
from vidprep.harness.device import Precision
from vidprep.harness.ranks import Device, joined_ranks
from vidprep.harness.training.checkpoints import Keep
from vidprep.harness.training.loggers.interface import DEFAULT, LoggerName, check_loggers
from vidprep.harness.training.loop import OnEvent, check_run_folder, train_to_the_end
from vidprep.harness.training.planning.plan import MicroBatch
from vidprep.harness.training.recipe_choice import training_recipe
from vidprep.harness.training.run_facts import describe_training, training_warnings
from vidprep.harness.training.setup import set_up_training
from vidprep.harness.training.state import Stopping, TrainRequest, TrainResult, TrainStarted
from vidprep.load import LoaderOptions
from vidprep.machine import rank_and_world_size
from vidprep.model.imagenet import fetch_imagenet
from vidprep.recipes.recipe import Recipe
from vidprep.shards.shard_set import ShardSet
from vidprep.stop_signals import StopSignals


def train(
    shards: ShardSet | Path | str,
    run_dir: Path | str,
    *,
    recipe: Recipe | Path | str | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    extend: bool = False,
    allow_change: Sequence[str] = (),
    init: Path | Literal["imagenet"] | None = None,
    init_optimiser: bool = False,
    seed: int = 0,
    device: Device | None = None,
    precision: Precision | None = None,
    micro_batch: MicroBatch = None,
    compile: bool = False,
    deterministic: bool = False,
    loading: LoaderOptions | None = None,
    max_decode_errors: int = 0,
    name: str | None = None,
    note: str | None = None,
    loggers: Sequence[LoggerName] = DEFAULT,
    log_every: int = 10,
    checkpoint_minutes: float = 30.0,
    keep_last: int = 2,
    keep_every: int = 5,
    keep_best: Literal["top1"] | None = None,
    on_event: OnEvent = lambda event: None,
) -> TrainResult:
    """Train a network on the training split of a shard set.

    One process uses one GPU, or the CPU; under torchrun, each takes its share of the same batches. Only the
    recipe and the seed decide the result; the rest says how to use the machine. On SIGTERM,
    SIGUSR1 or Ctrl-C it saves its position and stops.

        result = vidprep.train("shards/motion", "runs/new", overrides=["optimisation.epochs=1"])
        print(result.checkpoint)

    Args:
        shards: A shard set, its folder or its URL.
        run_dir: Folder of the run, new or old; all ranks must see it.
        recipe: A recipe, or the name or path of a pipeline; None: the one that the shards were built with.
        overrides: `table.key=value` settings of the recipe.
        resume: Go on from the newest checkpoint; begin if there is none.
        extend: Go on with another `optimisation.epochs`: from here on the cosine is that of the new number.
            A "step" schedule allows it without this.
        allow_change: `table.key` settings that may differ from what they were so far; noted in run.json.
        init: File of weights to begin with, or "imagenet" for torchvision's; None: random weights.
        init_optimiser: Take the momentum from `init`, too, which must then be a checkpoint of a training.
        seed: Seed of weights, order, clips and dropout.
        device: "cuda" or "cpu"; None: a GPU where there is one.
        precision: Number format of the convolutions; None: "bf16" on a GPU, "fp32" on a CPU.
        micro_batch: Clips of one rank in one pass; None: its whole share of the batch; "auto": the most that
            fit into memory.
        compile: Let PyTorch compile the network first.
        deterministic: Use GPU kernels that give the same numbers every time, where there are any.
        loading: How to read and decode; None: the defaults.
        max_decode_errors: Videos that may fail to decode before the training gives up.
        name: Name of the run, in tables and for loggers; None: the name of its folder.
        note: A remark on the run, kept in run.json and shown beside its name.
        loggers: Where the metrics go besides metrics.jsonl: "tensorboard", "csv", "wandb", "mlflow".
        log_every: Steps from one line of metrics to the next.
        checkpoint_minutes: Minutes from one checkpoint within an epoch to the next.
        keep_last: How many of the newest checkpoints stay.
        keep_every: The checkpoint of every N-th epoch stays, too.
        keep_best: "top1" keeps the checkpoint of the epoch that was best on the validation split, too.
        on_event: Called with each event; on the first rank only.

    Raises:
        CheckpointError: If weights cannot be used, or are of other classes.
        DecodeError: If more videos than allowed do not decode.
        HarnessError: If the folder holds another run, there is no such device, memory runs out, or the loss
            is not finite; what is saved is kept.
        HarnessStopped: If a signal asked for a stop; the position is saved.
        RecipeError: If the recipe or an override is wrong.
        ShardError: If the shards are not complete, or lack the training split.
    """
    run_dir = Path(run_dir)
    if init_optimiser and (init is None or init == "imagenet"):
        raise HarnessError(
            "init_optimiser takes the momentum of a checkpoint: give that checkpoint, too (--init FILE)."
        )
    rank, _ = rank_and_world_size()
    tell = on_event if rank == 0 else lambda event: None
    with StopSignals(lambda number: tell(Stopping(number.name))) as signals:
        check_run_folder(run_dir, resume=resume)
        opened = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        resolved, scaled = training_recipe(opened, recipe, overrides)
        request = TrainRequest(
            shards=opened,
            run_dir=run_dir,
            recipe=resolved,
            init=_first_weights(init, resolved),
            extend=extend,
            allow_change=tuple(allow_change),
            init_optimiser=init_optimiser,
            seed=seed,
            device=device,
            precision=precision,
            compile=compile,
            deterministic=deterministic,
            micro_batch=micro_batch,
            loading=loading or LoaderOptions(),
            max_decode_errors=max_decode_errors,
            name=name,
            note=note,
            loggers=check_loggers(loggers),
            log_every=log_every,
            checkpoint_minutes=checkpoint_minutes,
            keep=Keep(keep_last, keep_every),
            keep_best=keep_best,
        )
        return _train_on_ranks(request, scaled, signals, tell)


def _train_on_ranks(
    request: TrainRequest, scaled: str | None, signals: StopSignals, tell: OnEvent
) -> TrainResult:
    """Join the ranks, make everything ready, and train to the last epoch."""
    with joined_ranks(request.device) as ranks:
        training = set_up_training(request, ranks)
        warnings = training_warnings(training, scaled)
        epochs = request.recipe.optimisation.epochs
        tell(TrainStarted(training.position, epochs, describe_training(training), warnings))
        checkpoint = train_to_the_end(training, signals, tell)
    return TrainResult(request.run_dir, checkpoint, epochs, training.position.total_steps)


def _first_weights(init: Path | str | None, recipe: Recipe) -> Path | None:
    if init != "imagenet":
        return None if init is None else Path(init)
    if recipe.model.factory:
        raise RecipeError(
            f"--init imagenet is for I3D-ResNets, the network is made by '{recipe.model.factory}'. Have the "
            "factory load its first weights, or give a file of them: --init FILE."
        )
    return fetch_imagenet(recipe.model.depth)
