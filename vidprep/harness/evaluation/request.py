"""What an evaluation is: a network, the views of a split, and all that decides the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidprep.errors import CheckpointError, RecipeError
from vidprep.harness.class_lists import network_classes
from vidprep.harness.device import Precision, choose_precision
from vidprep.harness.evaluation.checkpoint_choice import ChosenCheckpoint, choose_checkpoint
from vidprep.harness.evaluation.results import Results
from vidprep.harness.evaluation.view_choice import Protocol, choose_head, choose_views
from vidprep.load import LoaderOptions
from vidprep.load.sampling.crops import eval_boxes
from vidprep.model import I3DResNet
from vidprep.model.centre_tap import cut_to_centre_tap
from vidprep.model.weights import load_network
from vidprep.recipes.recipe import EvalViews
from vidprep.shards.shard_set import ShardSet, Split


@dataclass(frozen=True)
class EvalRequest:
    """What to evaluate, and how to use the machine.

    Attributes:
        checkpoint: A file of 3D weights, or the folder of a run: then its last epoch.
        shards: A shard set, its folder or its URL.
        out_dir: Of the results; a folder that all ranks see.
        split: E.g. "validation".
        protocol: "ibm" takes the views and the head of that code, see `pipelines/ibm_*.toml`.
        overrides: `eval_views.KEY=VALUE` settings.
        centre_tap: Cut the temporal kernels to their centre tap first: what the network knows without motion.
        precision: Of the convolutions; None: "bf16" on a GPU, "fp32" on a CPU.
        micro_batch: Views that the network takes at a time; None: 8 of 32x256x256 on a GPU, 2 on a CPU.
        options: How to read and decode.

    Raises:
        ValueError: If `micro_batch` is less than 1.
    """

    checkpoint: Path | str
    shards: ShardSet | Path | str
    out_dir: Path
    split: str = "validation"
    protocol: Protocol | None = None
    overrides: Sequence[str] = ()
    centre_tap: bool = False
    precision: Precision | None = None
    micro_batch: int | None = None
    options: LoaderOptions = LoaderOptions()  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if self.micro_batch is not None and self.micro_batch < 1:
            raise ValueError(f"micro_batch must be at least 1, got {self.micro_batch}.")


@dataclass(frozen=True)
class Evaluation:
    """All that decides the scores.

    Attributes:
        checkpoint: The weights.
        network: With these weights, in eval mode, on the device.
        classes: Names in label order, one for each logit.
        shards: The shard set ...
        split: ... and the part of it that is evaluated.
        views: Of each video.
        protocol: Whose views and head these are; None for the recipe's own.
        centre_tap: Whether the temporal kernels were cut to their centre tap, see `model.centre_tap`.
        precision: Of the convolutions.
    """

    checkpoint: ChosenCheckpoint
    network: I3DResNet
    classes: tuple[str, ...]
    shards: ShardSet
    split: Split
    views: EvalViews
    protocol: Protocol | None
    centre_tap: bool
    precision: Precision

    def identity(self) -> dict[str, Any]:
        """Return what another start, or its results, must have in common with this one."""
        return {
            "checkpoint.sha256": self.checkpoint.sha256,
            "shards.fingerprint": self.shards.fingerprint,
            "shards.split": self.split.name,
            "protocol": self.protocol,
            "centre_tap": self.centre_tap,
            "precision": self.precision,
        } | _by_name(self.views)


def prepare(request: EvalRequest, device: torch.device) -> Evaluation:
    """Read what is to be evaluated and make sure that it fits together."""
    shards = request.shards if isinstance(request.shards, ShardSet) else ShardSet.open(request.shards)
    part = shards.split(request.split)
    chosen = choose_checkpoint(Path(request.checkpoint))
    weights = chosen.weights
    network = load_network(weights)
    if request.centre_tap and not cut_to_centre_tap(network):
        raise CheckpointError(f"{chosen.path}: its kernels have one temporal tap only: nothing to cut.")
    classes = network_classes(weights, shards)
    views = choose_views(weights, shards, protocol=request.protocol, overrides=request.overrides)
    _check_crops(views, part)
    network.head = choose_head(weights, shards, protocol=request.protocol)
    network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return Evaluation(
        checkpoint=chosen,
        network=network,
        classes=classes,
        shards=shards,
        split=part,
        views=views,
        protocol=request.protocol,
        centre_tap=request.centre_tap,
        precision=choose_precision(device, request.precision),
    )


def _check_crops(views: EvalViews, split: Split) -> None:
    for width, height in split.frame_sizes:
        try:
            eval_boxes(views, width, height)
        except ValueError as error:
            raise RecipeError(f"eval_views: {error}") from error


def identity_of(results: Results) -> dict[str, Any]:
    """Return what `Evaluation.identity` was for an evaluation that has its results."""
    return {
        "checkpoint.sha256": results.checkpoint.sha256,
        "shards.fingerprint": results.shards.fingerprint,
        "shards.split": results.shards.split,
        "protocol": results.protocol,
        "centre_tap": results.centre_tap,
        "precision": results.environment["precision"],
    } | _by_name(results.views)


def _by_name(views: EvalViews) -> dict[str, Any]:
    return {f"views.{name}": value for name, value in views.model_dump().items()}
