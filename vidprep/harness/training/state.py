"""What a training is asked for, what it is made of, and what it tells while it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vidprep.harness.device import Precision
from vidprep.harness.ranks import Device, Ranks
from vidprep.harness.training.checkpoints import Keep, Position
from vidprep.harness.training.step import StepSettings
from vidprep.harness.training.tally import Tally
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.model import I3DResNet
from vidprep.model.weight_files import checkpoint
from vidprep.recipes.recipe import Recipe
from vidprep.shards.shard_set import ShardSet

SPLIT = "train"


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
        loading: How to read and decode; memory is pinned where there is a GPU.
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
    loading: LoaderOptions = LoaderOptions()  # noqa: RUF009  (frozen)
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
        return checkpoint(self.bare, self.request.recipe, self.classes, chroma=self.settings.chroma) | {
            "position": self.position.as_dict(),
            "tally": self.tally.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seed": self.request.seed,
            "fingerprint": self.shards.fingerprint,
        }


@dataclass(frozen=True)
class TrainStarted:
    """A training is about to take its first step.

    Attributes:
        position: Where it begins or goes on.
        epochs: Of the whole run.
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


TrainEvent = TrainStarted | StepDone | MetricsWritten


@dataclass(frozen=True)
class TrainResult:
    """A training that has come to its end.

    Attributes:
        run_dir: Of the run.
        checkpoint: After the last epoch: what gets reported.
        epochs: Passes over the training split.
        total_steps: Optimiser steps of the whole run.
    """

    run_dir: Path
    checkpoint: Path
    epochs: int
    total_steps: int
