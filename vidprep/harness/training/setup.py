"""From a request to a training that is ready for its next step."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from vidprep.errors import HarnessError
from vidprep.harness.class_lists import class_list
from vidprep.harness.device import choose_precision
from vidprep.harness.ranks import Ranks
from vidprep.harness.training.batch_norm import FEW_CLIPS, synchronise_batch_norm
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.resume import check_same_position, find_saved
from vidprep.harness.training.schedule import steps_per_epoch
from vidprep.harness.training.state import SPLIT, Training, TrainRequest
from vidprep.harness.training.step import BatchSplit, StepSettings
from vidprep.harness.training.tally import Tally
from vidprep.load import ClipLoader
from vidprep.model import I3DResNet, build_model
from vidprep.model.weight_files import read_weights
from vidprep.model.weights import load_weights
from vidprep.recipes.recipe import Chroma, Optimisation
from vidprep.shards.shard_set import ShardSet


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
    saved = find_saved(request, shards, per_epoch)
    position = saved.position if saved else Position(0, 0, per_epoch)
    check_same_position(position, request, ranks)
    _use_device(request, ranks)
    torch.manual_seed(request.seed)
    bare, tally = build_model(request.recipe.model, len(classes)), Tally()
    began_with = f"Going on from {saved.path}." if saved else _begin_with(bare, request, classes)
    net = _spread(bare, request, ranks, split)
    optimiser = sgd(bare, request.recipe.optimisation, ranks.device)
    if saved:
        saved.restore(bare, optimiser, tally)
    loader.seek(epoch=position.epoch, step=position.step * split.num_micro_batches)
    return Training(
        request=request,
        ranks=ranks,
        shards=shards,
        classes=classes,
        bare=bare,
        net=net,
        optimiser=optimiser,
        loader=loader,
        settings=_step_settings(request, bare, split, ranks, saved.chroma if saved else "linear"),
        tally=tally,
        position=position,
        began_with=began_with,
    )


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
            options=replace(request.loading, pin_memory=ranks.device.type == "cuda"),
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
    loaded = load_weights(net, file, inflation=request.recipe.model.inflation)
    report = str(loaded)
    if file.classes and file.classes != classes and len(file.classes) == len(classes):
        net.reset_fc()
        report += " Its classifier is for other classes and was drawn anew."
    if file.classes is None and not loaded.reinitialised:
        report += (
            f" Warning: it does not say which classes it was trained on, nor in which order: its classifier "
            f"was kept because it has {len(classes)}, too."
        )
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


def _step_settings(
    request: TrainRequest, net: I3DResNet, split: BatchSplit, ranks: Ranks, chroma: Chroma
) -> StepSettings:
    precision = choose_precision(ranks.device, request.precision)
    return StepSettings(
        split=split,
        device=ranks.device,
        precision=precision,
        chroma=chroma,
        dropout=request.recipe.model.dropout,
        dropout_shape=net.dropout_shape(request.recipe.train_clip.clip_len),
        seed=request.seed,
    )
