"""A training's plan: what it computes, whether a pass fits into memory, and the largest one that does."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch

from vidprep.durations import format_seconds
from vidprep.errors import HarnessError
from vidprep.harness.device import Precision, choose_precision
from vidprep.harness.ranks import Ranks
from vidprep.harness.training.planning.pass_cost import PassCost, measure_pass
from vidprep.harness.training.schedule import steps_per_epoch
from vidprep.harness.training.step import BatchSplit
from vidprep.load import LoaderOptions
from vidprep.machine import available_memory
from vidprep.recipes.recipe import Recipe, TrainClip
from vidprep.shards.shard_set import ShardSet

MicroBatch = int | Literal["auto"] | None

SPLIT = "train"

# A process that decodes, and the libraries that it has loaded.
_WORKER_BYTES = 120 << 20
_FLOP_PER_MAC = 6  # 2 forward (multiply, add) and twice that backward


@dataclass(frozen=True)
class TrainingPlan:
    """What a training will do and take.

    Attributes:
        num_videos: Videos of the training split.
        steps_per_epoch: Optimiser steps of an epoch.
        epochs: Passes over the training split.
        split: How the clips of a step are spread over ranks and passes.
        teraflop_per_epoch: TFLOP of an epoch, forward and backward, over all ranks.
        cost: Memory and time of a pass.
        needed_bytes: Memory that one rank needs, its loader included where that takes from the same memory.
        available_bytes: Memory that one rank has: of its GPU, or its share of the machine or control group.
        largest_pass: Clips of the largest pass that fits and divides a rank's share; 0 if none does.
        device: Where a rank computes, in words.
    """

    num_videos: int
    steps_per_epoch: int
    epochs: int
    split: BatchSplit
    teraflop_per_epoch: float
    cost: PassCost
    needed_bytes: int
    available_bytes: int
    largest_pass: int
    device: str

    @property
    def fits(self) -> bool:
        """Tell whether a pass fits into memory."""
        return self.needed_bytes <= self.available_bytes

    def sentences(self) -> tuple[str, ...]:
        """Return the plan in words."""
        clips = self.steps_per_epoch * self.split.batch_size
        steps, batch = self.steps_per_epoch * self.epochs, self.split.batch_size
        lines = [
            f"{self.steps_per_epoch:,} steps an epoch, {self.epochs} epochs: {steps:,} steps of "
            f"{batch} clips ({clips:,} an epoch, {self.teraflop_per_epoch:,.3g} TFLOP)",
            f"Memory: a pass of {self.split.per_pass} clips takes about {_gib(self.needed_bytes)}, "
            f"{_gib(self.available_bytes)} are available for it on {self.device}; the largest pass that "
            f"fits: {self.largest_pass or 'none'}",
        ]
        if self.cost.seconds_per_clip is not None:
            seconds = self.cost.seconds_per_clip * clips / self.split.num_ranks
            lines.append(
                f"One clip took {self.cost.seconds_per_clip:.2g} s forward and backward: an epoch at that "
                f"pace takes {format_seconds(seconds)}; after ten steps it is known better"
            )
        return tuple(lines)

    def refusal(self) -> str:
        """Return why a pass does not fit into memory, and what to do."""
        problem = (
            f"A pass of {self.split.per_pass} clips needs about {_gib(self.needed_bytes)} of memory, and "
            f"{_gib(self.available_bytes)} are available for it on {self.device}, so nothing was begun. "
        )
        if self.largest_pass:
            passes = self.split.batch_size // (self.split.num_ranks * self.largest_pass)
            return (
                f"{problem}--micro-batch {self.largest_pass} (or --micro-batch auto) fits: the same batch in "
                f"{passes} passes, with batch norm over {self.largest_pass} clips at a time."
            )
        return (
            f"{problem}One clip alone needs about {_gib(self.cost.of(1))}: set a smaller "
            "train_clip.crop_size, train_clip.clip_len or model.width, "
            "use --precision bf16 or fewer --workers, or another machine."
        )


def split_batch(batch_size: int, micro_batch: int | None, num_ranks: int) -> BatchSplit:
    """Return how a batch is spread over ranks and passes, every clip exactly once.

    Args:
        batch_size: Clips of an optimiser step.
        micro_batch: Clips of one rank in one pass; None: its whole share.
        num_ranks: Number of processes.

    Raises:
        HarnessError: If it cannot be spread evenly.
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
            f"processes has of a batch of {batch_size}. Use one of: {', '.join(map(str, divisors(share)))}."
        )
    return BatchSplit(batch_size, passes, num_ranks)


def divisors(number: int) -> list[int]:
    """Return all divisors of a number, ascending."""
    return [n for n in range(1, number + 1) if number % n == 0]


def make_plan(
    shards: ShardSet,
    recipe: Recipe,
    num_classes: int,
    ranks: Ranks,
    *,
    micro_batch: MicroBatch = None,
    precision: Precision | None = None,
    loading: LoaderOptions = LoaderOptions(),  # noqa: B008  (frozen)
) -> TrainingPlan:
    """Return the plan of a training; every rank has to call it.

    Args:
        shards: The shard set to train on.
        recipe: The whole recipe.
        num_classes: Classes of the network.
        ranks: The processes, and this one's device.
        micro_batch: As in `plan_training`, and `precision` and `loading`, too.

    Raises:
        HarnessError: If the batch cannot be spread over the ranks and passes, or is larger than the set.
    """
    stage = recipe.optimisation
    num_videos, per_epoch = _videos_and_steps(shards, recipe)
    split = split_batch(stage.batch_size, None if micro_batch == "auto" else micro_batch, ranks.world_size)
    available = memory_of_rank(ranks.device)
    cost = _cost_of_pass(recipe, num_classes, ranks.device, precision, available)
    of_loader = _loading_bytes(loading, recipe.train_clip, ranks.device)

    def needed(clips: int) -> int:
        return cost.of(clips) + of_loader(clips)

    largest = _largest_pass(recipe, ranks, lambda clips: needed(clips) <= available)
    if micro_batch == "auto" and largest:
        split = split_batch(stage.batch_size, largest, ranks.world_size)
    return TrainingPlan(
        num_videos=num_videos,
        steps_per_epoch=per_epoch,
        epochs=stage.epochs,
        split=split,
        teraflop_per_epoch=per_epoch * stage.batch_size * cost.num_macs * _FLOP_PER_MAC / 1e12,
        cost=cost,
        needed_bytes=needed(split.per_pass),
        available_bytes=available,
        largest_pass=largest,
        device=_name(ranks.device),
    )


def check_it_fits(plan: TrainingPlan, ranks: Ranks) -> None:
    """Refuse a training that would run out of memory; every rank has to call it.

    Raises:
        HarnessError: If a pass does not fit on one of the ranks.
    """
    if ranks.any(not plan.fits):
        raise HarnessError(plan.refusal())


def memory_of_rank(device: torch.device) -> int:
    """Return the bytes that one rank may take: of its GPU, or its share of the machine's memory."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return available_memory() // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _videos_and_steps(shards: ShardSet, recipe: Recipe) -> tuple[int, int]:
    """Return the number of training videos, and of optimiser steps of an epoch.

    Raises:
        HarnessError: If an epoch has less than a batch.
    """
    num_videos, batch_size = len(shards.split(SPLIT)), recipe.optimisation.batch_size
    per_epoch = steps_per_epoch(num_videos, batch_size, recipe.train_clip.clips_per_video)
    if not per_epoch:
        raise HarnessError(
            f"{shards.root} has {num_videos} training videos, less than a batch of {batch_size}. "
            "Set a smaller optimisation.batch_size."
        )
    return num_videos, per_epoch


def _cost_of_pass(
    recipe: Recipe, num_classes: int, device: torch.device, precision: Precision | None, available: int
) -> PassCost:
    clip = recipe.train_clip
    cost = measure_pass(
        recipe.model,
        num_classes,
        (3, clip.clip_len, clip.crop_size, clip.crop_size),
        device=device,
        precision=choose_precision(device, precision),
        available_bytes=available,
    )
    return replace(cost, copies=cost.copies + bool(recipe.optimisation.ema_decay))


def _largest_pass(recipe: Recipe, ranks: Ranks, fits: Callable[[int], bool]) -> int:
    """Return the most clips that divide a rank's share and fit on every rank; 0 if none do."""
    # Clips of a video stay together, and so do videos that are mixed.
    together = recipe.train_clip.clips_per_video * (2 if recipe.augmentation.mixes else 1)
    share = recipe.optimisation.batch_size // ranks.world_size
    sizes = [size for size in divisors(share) if size % together == 0] or divisors(share)
    ranks_too_small = ranks.sum(torch.tensor([float(not fits(size)) for size in sizes])).tolist()
    return max((size for size, count in zip(sizes, ranks_too_small, strict=True) if not count), default=0)


def _loading_bytes(options: LoaderOptions, clip: TrainClip, device: torch.device) -> Callable[[int], int]:
    """Return what the loader of one rank takes of the device's memory for passes of so many clips."""
    if device.type != "cpu":
        return lambda clips: 0
    clip_bytes = clip.clip_len * clip.crop_size**2 * 3 // 2
    return lambda clips: options.slots(clips) * clips * clip_bytes + options.workers() * _WORKER_BYTES


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "this machine, the limits of its control group counted"


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"
