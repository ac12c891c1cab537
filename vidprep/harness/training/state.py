"""The request for a training, the training in memory, and the events that it reports while it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from vidprep.harness.device import Precision
from vidprep.harness.ranks import Device, Ranks
from vidprep.harness.training.checkpoints import Keep, Position
from vidprep.harness.training.loggers.interface import DEFAULT, LoggerName
from vidprep.harness.training.planning.plan import MicroBatch, TrainingPlan
from vidprep.harness.training.step import StepSettings
from vidprep.harness.training.tally import Tally
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.model.network import Network
from vidprep.model.weight_average import WeightAverage
from vidprep.model.weight_files import checkpoint
from vidprep.recipes.recipe import Recipe
from vidprep.shards.shard_set import ShardSet


@dataclass(frozen=True)
class TrainRequest:
    """What to train, and how to use the machine: the arguments of `vidprep.train`, checked.

    Attributes:
        recipe: The whole recipe, with the overrides in it.
        init: File of weights to begin with, "imagenet" downloaded already; None: weights are drawn.
        loading: How to read and decode; memory is pinned where there is a GPU.
        keep: Which checkpoints stay: `keep_last` and `keep_every` of `vidprep.train`.
    """

    shards: ShardSet | str
    run_dir: Path
    recipe: Recipe
    init: Path | None = None
    seed: int = 0
    device: Device | None = None
    precision: Precision | None = None
    compile: bool = False
    deterministic: bool = False
    micro_batch: MicroBatch = None
    loading: LoaderOptions = LoaderOptions()  # noqa: RUF009  (frozen)
    max_decode_errors: int = 0
    log_every: int = 10
    checkpoint_minutes: float = 30.0
    keep: Keep = Keep()  # noqa: RUF009  (frozen)
    extend: bool = False
    allow_change: tuple[str, ...] = ()
    init_optimiser: bool = False
    name: str | None = None
    note: str | None = None
    loggers: tuple[LoggerName, ...] = DEFAULT
    keep_best: Literal["top1"] | None = None


@dataclass
class Training:
    """A training that is ready for its next step.

    Attributes:
        bare: The network itself, whose weights are saved.
        net: The same as the loop calls it: wrapped for several ranks, or compiled.
        position: Where the training is, before the next step.
        began_with: Where the first weights come from, in words.
        plan: What it computes, and the memory that it takes.
        average: The average of the weights so far, where the recipe wants one.
        changes: Settings that differ from here on from those the run began with, in words.
    """

    request: TrainRequest
    ranks: Ranks
    shards: ShardSet
    classes: tuple[str, ...]
    bare: Network
    net: nn.Module
    optimiser: torch.optim.Optimizer
    loader: ClipLoader
    settings: StepSettings
    tally: Tally
    position: Position
    began_with: str
    plan: TrainingPlan
    average: WeightAverage | None = None
    changes: tuple[str, ...] = ()

    def checkpoint(self) -> dict[str, Any]:
        """Return all that is needed to go on from here, on any number of ranks."""
        average = {} if self.average is None else {"ema": self.average.state_dict()}
        return checkpoint(self.bare, self.request.recipe, self.classes, chroma=self.settings.chroma) | {
            "position": self.position.as_dict(),
            "tally": self.tally.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seed": self.request.seed,
            "fingerprint": self.shards.fingerprint,
            **average,
        }


@dataclass(frozen=True)
class TrainStarted:
    """A training is about to take its first step.

    Attributes:
        position: Where it begins or goes on.
        epochs: Epochs of the whole run.
        description: What is trained, and how, in sentences.
        warnings: What a person should look at.
    """

    position: Position
    epochs: int
    description: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class StepDone:
    """A step was taken; `position` is the one after it."""

    position: Position


@dataclass(frozen=True)
class MetricsWritten:
    """A line of metrics.jsonl, see `run_folder.read_metrics`."""

    line: dict[str, Any]


@dataclass(frozen=True)
class Stopping:
    """A signal asked for a stop; the current step is still finished. May come at any moment of the loop."""

    signal_name: str


@dataclass(frozen=True)
class EndForeseen:
    """The first steps tell when the training will end; `sentence` says it."""

    sentence: str


TrainEvent = TrainStarted | StepDone | MetricsWritten | Stopping | EndForeseen


@dataclass(frozen=True)
class TrainResult:
    """A training that has come to its end.

    Attributes:
        run_dir: Folder of the run.
        checkpoint: The checkpoint after the last epoch, whose figures are the ones to report.
        epochs: Passes over the training split.
        total_steps: Optimiser steps of the whole run.
    """

    run_dir: Path
    checkpoint: Path
    epochs: int
    total_steps: int
