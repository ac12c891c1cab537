"""From a request to a training that is ready for its next step."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from vidprep.errors import HarnessError
from vidprep.harness.class_lists import class_list
from vidprep.harness.device import Precision, autocast_dtype, choose_precision
from vidprep.harness.ranks import Ranks
from vidprep.harness.training.batch_norm import FEW_CLIPS, synchronise_batch_norm
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.continuing.momentum import take_momentum
from vidprep.harness.training.planning.plan import SPLIT, TrainingPlan, check_it_fits, make_plan
from vidprep.harness.training.resume import check_same_position, find_saved
from vidprep.harness.training.schedule import steps_per_epoch
from vidprep.harness.training.state import Training, TrainRequest
from vidprep.harness.training.step import BatchSplit, StepSettings
from vidprep.harness.training.tally import Tally
from vidprep.harness.training.validation.validate import check_validation
from vidprep.load import Augmenter, ClipLoader
from vidprep.model import I3DResNet
from vidprep.model.network import FactoryNetwork, Network, build_network, put_on
from vidprep.model.weight_average import WeightAverage
from vidprep.model.weight_files import read_weights
from vidprep.model.weights import load_own, load_weights
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
    shards = request.shards if isinstance(request.shards, ShardSet) else ShardSet.open(request.shards)
    classes = class_list(shards)
    plan = _plan_that_fits(request, shards, len(classes), ranks)
    split = plan.split
    _check_mixing(request, split)
    loader = _loader(request, shards, split, ranks)
    per_video = request.recipe.train_clip.clips_per_video
    per_epoch = steps_per_epoch(len(shards.split(SPLIT)), split.batch_size, per_video)
    saved = find_saved(request, shards, per_epoch)
    position = saved.position if saved else Position(0, 0, per_epoch)
    chroma = saved.chroma if saved else "linear"
    check_same_position(position, request, ranks)
    _use_device(request, ranks)
    torch.manual_seed(request.seed)
    bare, tally = build_network(request.recipe.model, len(classes)), Tally()
    began_with = f"Going on from {saved.path}." if saved else _begin_with(bare, request, classes)
    net = _spread(bare, request, ranks, split)
    optimiser = sgd(bare, request.recipe.optimisation, ranks.device)
    decay = request.recipe.optimisation.ema_decay
    average = WeightAverage(bare, decay) if decay else None
    if saved:
        saved.restore(bare, optimiser, tally, average)
    elif request.init is not None and request.init_optimiser:
        began_with += f" {take_momentum(request.init, optimiser, request.recipe.optimisation)}"
    loader.seek(epoch=position.epoch, step=position.step * split.num_micro_batches)
    training = Training(
        request=request,
        ranks=ranks,
        shards=shards,
        classes=classes,
        bare=bare,
        net=net,
        optimiser=optimiser,
        loader=loader,
        settings=_step_settings(request, bare, len(classes), split, ranks, chroma),
        tally=tally,
        position=position,
        began_with=began_with,
        plan=plan,
        average=average,
        changes=saved.explain_changes(request.recipe) if saved else (),
    )
    check_validation(training)
    return training


def _plan_that_fits(request: TrainRequest, shards: ShardSet, num_classes: int, ranks: Ranks) -> TrainingPlan:
    plan = make_plan(
        shards,
        request.recipe,
        num_classes,
        ranks,
        micro_batch=request.micro_batch,
        precision=request.precision,
        loading=request.loading,
    )
    check_it_fits(plan, ranks)
    return plan


def _loader(request: TrainRequest, shards: ShardSet, split: BatchSplit, ranks: Ranks) -> ClipLoader:
    """Return a loader whose batches are the micro-batches of all ranks."""
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


def _begin_with(net: Network, request: TrainRequest, classes: tuple[str, ...]) -> str:
    """Put the first weights into the network and say which; a classifier of other classes is not kept."""
    if request.init is None:
        return f"Weights drawn with seed {request.seed}."
    file = read_weights(request.init)
    if isinstance(net, FactoryNetwork):
        drawn = load_own(net, file, new_classes=True)
        kept = f"; drawn anew for other classes: {', '.join(drawn)}" if drawn else ""
        return f"{file.source}: weights loaded by the network's own names{kept}."
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


def _spread(bare: Network, request: TrainRequest, ranks: Ranks, split: BatchSplit) -> nn.Module:
    """Put the network on its device and make it the network of all ranks."""
    bare.train()
    if ranks.world_size > 1 and split.per_pass < FEW_CLIPS:
        synchronise_batch_norm(bare, ranks.device)
    put_on(bare, ranks.device)
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
    request: TrainRequest, net: Network, num_classes: int, split: BatchSplit, ranks: Ranks, chroma: Chroma
) -> StepSettings:
    precision = choose_precision(ranks.device, request.precision)
    dropout, shape = 0.0, tuple[int, ...]()
    if isinstance(net, I3DResNet):
        dropout = request.recipe.model.dropout
        shape = net.dropout_shape(request.recipe.train_clip.clip_len)
    return StepSettings(
        split=split,
        device=ranks.device,
        precision=precision,
        chroma=chroma,
        dropout=dropout,
        dropout_shape=shape,
        augmenter=_augmenter(request, num_classes, precision, chroma),
        draws_itself=isinstance(net, FactoryNetwork),
        seed=request.seed,
    )


def _augmenter(
    request: TrainRequest, num_classes: int, precision: Precision, chroma: Chroma
) -> Augmenter | None:
    augmentation = request.recipe.augmentation
    if not augmentation.is_on:
        return None
    dtype = autocast_dtype(precision) or torch.float32
    return Augmenter(augmentation, num_classes=num_classes, seed=request.seed, dtype=dtype, chroma=chroma)


def _check_mixing(request: TrainRequest, split: BatchSplit) -> None:
    """Refuse passes in which a video would have no neighbour, or another one than in a larger pass."""
    videos, rest = divmod(split.per_pass, request.recipe.train_clip.clips_per_video)
    if request.recipe.augmentation.mixes and not rest and videos % 2:
        raise HarnessError(
            f"mixup_alpha and cutmix_alpha mix the two neighbours of each pair of videos, and a pass has "
            f"{videos} of them: choose an optimisation.batch_size or a --micro-batch with an even number of "
            "videos for each rank and pass."
        )
