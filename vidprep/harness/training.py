"""What a training needs before its first step: network, optimiser, loader, and the position to begin at."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from vidprep.errors import CheckpointError, HarnessError
from vidprep.harness.checkpoints import Keep, Position, newest_checkpoint
from vidprep.harness.class_lists import check_same_classes, class_list
from vidprep.harness.ranks import Device, Ranks
from vidprep.harness.schedule import steps_per_epoch
from vidprep.harness.step import BatchSplit, StepSettings
from vidprep.harness.sync_batch_norm import FEW_CLIPS, synchronise_batch_norm
from vidprep.harness.tally import Tally
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.model import I3DResNet, build_model
from vidprep.model.weight_files import checkpoint, read_weights
from vidprep.model.weights import load_weights
from vidprep.recipe import Optimisation, Recipe
from vidprep.shards.shard_set import ShardSet

Precision = Literal["bf16", "fp32"]
SPLIT = "train"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainRequest:
    """What to train, and how to use the machine; only the recipe and the seed decide the result.

    Attributes:
        shards: A shard set, its folder or its URL.
        run_dir: Where the run lies or shall lie.
        recipe: Resolved.
        init: File of weights to begin with; None: drawn.
        seed: Of weights, order, clips and dropout.
        device: None: a GPU where there is one.
        precision: Convolutions in bfloat16 or float32; None: bfloat16 on a GPU.
        compile: Have PyTorch compile the network first.
        deterministic: Take kernels that give the same numbers on every run of a GPU, where PyTorch has them.
        micro_batch: Clips of one rank in one pass; None: its whole share of the batch.
        num_workers: Processes that decode, for each rank; None: from the cores.
        max_decode_errors: Videos that may fail to decode before the training gives up.
        log_every: Steps from one line of metrics to the next.
        checkpoint_minutes: Minutes from one checkpoint within an epoch to the next.
        keep: Which checkpoints stay.
    """

    shards: str
    run_dir: Path
    recipe: Recipe
    init: Path | None = None
    seed: int = 0
    device: Device | None = None
    precision: Precision | None = None
    compile: bool = False
    deterministic: bool = False
    micro_batch: int | None = None
    num_workers: int | None = None
    max_decode_errors: int = 0
    log_every: int = 10
    checkpoint_minutes: float = 30.0
    keep: Keep = Keep()  # noqa: RUF009  (frozen)


@dataclass
class Training:
    """A training that is ready for its next step.

    Attributes:
        bare: The network itself, whose weights are saved.
        net: The same, as the loop calls it: on several ranks, or compiled.
        position: Before the next step.
        began_with: What the weights were at the very beginning, in words.
    """

    request: TrainRequest
    ranks: Ranks
    shards: ShardSet
    classes: tuple[str, ...]
    bare: I3DResNet
    net: nn.Module
    optimiser: torch.optim.Optimizer
    loader: ClipLoader
    settings: StepSettings
    tally: Tally
    position: Position
    began_with: str

    def checkpoint(self) -> dict[str, Any]:
        """Return all that is needed to go on from here, on any number of ranks."""
        return checkpoint(self.bare, self.request.recipe, self.classes) | {
            "position": self.position.as_dict(),
            "tally": self.tally.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seed": self.request.seed,
            "fingerprint": self.shards.fingerprint,
        }


def set_up_training(request: TrainRequest, ranks: Ranks) -> Training:
    """Make everything ready, at the beginning of the run or where its newest checkpoint is.

    Raises:
        ShardError: If the shards are not complete, or lack the training split.
        CheckpointError: If weights cannot be used, or are of a run with other classes.
        HarnessError: If the run in the folder is another one or not the same for all ranks, or the batch
            cannot be spread over the ranks.
    """
    shards = ShardSet.open(request.shards)
    classes = class_list(shards)
    split = split_batch(request.recipe.optimisation.batch_size, request.micro_batch, ranks.world_size)
    loader = _loader(request, shards, split, ranks)
    per_epoch = steps_per_epoch(len(shards.split(SPLIT)), split.batch_size)
    _use_device(request, ranks)
    torch.manual_seed(request.seed)
    bare = build_model(request.recipe.model, len(classes))
    newest = newest_checkpoint(request.run_dir, per_epoch)
    began_with = "" if newest else _begin_with(bare, request, classes)
    net = _spread(bare, request, ranks, split)
    optimiser = sgd(bare, request.recipe.optimisation, ranks.device)
    training = Training(
        request=request,
        ranks=ranks,
        shards=shards,
        classes=classes,
        bare=bare,
        net=net,
        optimiser=optimiser,
        loader=loader,
        settings=_step_settings(request, bare, split, ranks),
        tally=Tally(),
        position=Position(0, 0, per_epoch),
        began_with=began_with,
    )
    if newest:
        _restore(training, *newest)
    _check_same_position(training)
    return training


def split_batch(batch_size: int, micro_batch: int | None, num_ranks: int) -> BatchSplit:
    """Return how a batch is spread, every clip of it exactly once.

    Raises:
        HarnessError: If it does not come out even.
    """
    if batch_size % num_ranks:
        raise HarnessError(
            f"optimisation.batch_size {batch_size} cannot be spread evenly over {num_ranks} processes. "
            f"Use a number of processes that divides {batch_size}, or set another batch_size."
        )
    share = batch_size // num_ranks
    passes, rest = divmod(share, min(micro_batch or share, share))
    if rest:
        raise HarnessError(
            f"--micro-batch {micro_batch} does not divide the {share} clips that each of {num_ranks} "
            f"processes has of a batch of {batch_size}. Use one of: {_divisors(share)}."
        )
    return BatchSplit(batch_size, passes, num_ranks)


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)


def _loader(request: TrainRequest, shards: ShardSet, split: BatchSplit, ranks: Ranks) -> ClipLoader:
    """Return a loader whose batches are the micro-batches of all ranks."""
    num_videos = len(shards.split(SPLIT))
    if num_videos < split.batch_size:
        raise HarnessError(
            f"{shards.root} has {num_videos} training videos, less than a batch of {split.batch_size}. "
            "Set a smaller optimisation.batch_size."
        )
    try:
        return ClipLoader(
            shards,
            SPLIT,
            clip=request.recipe.train_clip,
            batch_size=split.per_pass * split.num_ranks,
            seed=request.seed,
            rank=ranks.rank,
            world_size=ranks.world_size,
            max_decode_errors=request.max_decode_errors,
            options=LoaderOptions(num_workers=request.num_workers, pin_memory=ranks.device.type == "cuda"),
        )
    except ValueError as error:  # e.g. a crop that does not fit into the frames
        raise HarnessError(f"{shards.root}: {error} See --set train_clip.KEY=VALUE.") from error


def _use_device(request: TrainRequest, ranks: Ranks) -> None:
    if request.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    if ranks.device.type == "cuda":
        torch.backends.cudnn.benchmark = not request.deterministic


def _begin_with(net: I3DResNet, request: TrainRequest, classes: tuple[str, ...]) -> str:
    """Put the first weights into the network and say which; a classifier of other classes is not kept."""
    if request.init is None:
        return f"Weights drawn with seed {request.seed}."
    file = read_weights(request.init)
    report = str(load_weights(net, file, inflation=request.recipe.model.inflation))
    if file.classes and file.classes != classes and len(file.classes) == len(classes):
        net.reset_fc()
        report += " Its classifier is for other classes and was drawn anew."
    return report


def _spread(bare: I3DResNet, request: TrainRequest, ranks: Ranks, split: BatchSplit) -> nn.Module:
    """Put the network on its device and make it the network of all ranks."""
    bare.train()
    if ranks.world_size > 1 and split.per_pass < FEW_CLIPS:
        synchronise_batch_norm(bare, ranks.device)
    bare.to(ranks.device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    net: nn.Module = bare
    if ranks.world_size > 1:
        net = DistributedDataParallel(
            bare, device_ids=[ranks.device] if ranks.device.type == "cuda" else None
        )
    return torch.compile(net) if request.compile else net  # type: ignore[return-value]


def sgd(net: nn.Module, stage: Optimisation, device: torch.device) -> torch.optim.SGD:
    """Return the optimiser of a recipe: momentum without Nesterov, weight decay on all parameters."""
    return torch.optim.SGD(
        net.parameters(),
        lr=stage.lr,
        momentum=stage.momentum,
        weight_decay=stage.weight_decay,
        fused=device.type == "cuda",
    )


def _step_settings(request: TrainRequest, net: I3DResNet, split: BatchSplit, ranks: Ranks) -> StepSettings:
    precision = request.precision or ("bf16" if ranks.device.type == "cuda" else "fp32")
    return StepSettings(
        split=split,
        device=ranks.device,
        autocast=torch.bfloat16 if precision == "bf16" else None,
        dropout=request.recipe.model.dropout,
        dropout_shape=net.dropout_shape(request.recipe.train_clip.clip_len),
        seed=request.seed,
    )


def _restore(training: Training, path: Path, content: dict[str, Any]) -> None:
    """Go on where a checkpoint was written, if it is one of this very training."""
    request = training.request
    check_same_classes(str(path), tuple(content["classes"]), training.shards)
    _check_same_run(path, content, training)
    try:
        training.bare.load_state_dict(content["model"])
        training.optimiser.load_state_dict(content["optimiser"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: its weights are not those of the run's recipe: {error}") from error
    where = content["position"]
    training.position = Position(where["epoch"], where["step"], training.position.per_epoch)
    training.tally.load_state_dict(content["tally"])
    training.began_with = f"Going on from {path}."
    passes = training.settings.split.num_micro_batches
    training.loader.load_state_dict(
        training.loader.state_dict() | {"epoch": where["epoch"], "step": where["step"] * passes}
    )
    _log.debug("%s restored into %s", path, request.run_dir)


def _check_same_position(training: Training) -> None:
    """Refuse a run that looks different to some ranks: each would train other weights, and nobody notice."""
    if not training.ranks.all_same(training.position.total_steps):
        raise HarnessError(
            f"Not all processes go on from the same step: process {training.ranks.rank} sees a run of "
            f"{training.position.total_steps} steps in {training.request.run_dir}. Use an --out that is the "
            "same folder for all of them, on every machine."
        )


def _check_same_run(path: Path, content: dict[str, Any], training: Training) -> None:
    """Refuse to go on with another recipe, seed or shard set than the run began with."""
    request = training.request
    before, now = Recipe.model_validate(content["recipe"]), request.recipe
    differences = [
        f"{stage}.{key} is {value!r} there and {getattr(getattr(now, stage), key)!r} now"
        for stage in ("train_clip", "model", "optimisation")
        for key, value in getattr(before, stage)
        if value != getattr(getattr(now, stage), key)
    ]
    if content["seed"] != request.seed:
        differences.append(f"the seed is {content['seed']} there and {request.seed} now")
    if content["fingerprint"] != training.shards.fingerprint:
        differences.append(f"it was trained on other shards than {training.shards.root} holds now")
    if differences:
        raise HarnessError(
            f"{path} is of another run: {'; '.join(differences)}. Resume with the settings that the run "
            f"began with ({request.run_dir / 'recipe.toml'}), or begin another run with --init {path}."
        )
