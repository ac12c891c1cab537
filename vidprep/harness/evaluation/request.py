"""What an evaluation is: a network, the views of a split, and all that decides the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidprep.errors import CheckpointError, RecipeError
from vidprep.harness.class_lists import class_list, network_classes
from vidprep.harness.device import Precision, choose_precision
from vidprep.harness.evaluation.checkpoint_choice import (
    ChosenCheckpoint,
    choose_checkpoint,
    choose_weights,
)
from vidprep.harness.evaluation.class_orders.order_files import ClassOrder, order_logits
from vidprep.harness.evaluation.results import Probe, Results
from vidprep.harness.evaluation.view_choice import Protocol, choose_head, choose_views
from vidprep.load import LoaderOptions
from vidprep.load.sampling.crops import eval_boxes
from vidprep.model import I3DResNet
from vidprep.model.centre_tap import cut_to_centre_tap
from vidprep.model.network import Network, put_on
from vidprep.model.weight_files import WeightFile
from vidprep.model.weights import load_network
from vidprep.recipes.recipe import EvalViews, Weights
from vidprep.shards.shard_set import ShardSet, Split


@dataclass(frozen=True)
class EvalRequest:
    """What to evaluate, and how to use the machine: the arguments of `vidprep.evaluate`.

    Attributes:
        overrides: `eval_views.KEY=VALUE` settings, those of `views` among them.
        options: How to read and decode; `loading` of `vidprep.evaluate`.

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
    probe: Probe | None = None
    classes: str | None = None
    precision: Precision | None = None
    weights: Weights | None = None
    micro_batch: int | None = None
    options: LoaderOptions = LoaderOptions()  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if self.micro_batch is not None and self.micro_batch < 1:
            raise ValueError(f"micro_batch must be at least 1, got {self.micro_batch}.")


@dataclass(frozen=True)
class Evaluation:
    """All that decides the scores.

    Attributes:
        checkpoint: The file of weights.
        weights: Which weights of the file: "trained", or "ema" for their average.
        network: The network with these weights, in eval mode, on the device.
        classes: Class names in label order, one for each logit.
        shards: The shard set.
        split: The split that is evaluated.
        views: The views of each video.
        protocol: Name of the code whose views and head are used; None: those of the recipe.
        centre_tap: Whether the temporal kernels were cut to their centre tap, see `model.centre_tap`.
        probe: How the frames of the clips are rearranged, see `probes`; None: not at all.
        class_order: Which logit belongs to which of `classes`; None: logit i to class i.
        precision: Number format of the convolutions.
    """

    checkpoint: ChosenCheckpoint
    weights: Weights
    network: Network
    classes: tuple[str, ...]
    shards: ShardSet
    split: Split
    views: EvalViews
    protocol: Protocol | None
    centre_tap: bool
    probe: Probe | None
    class_order: ClassOrder | None
    precision: Precision

    @property
    def names_classes(self) -> bool:
        """Tell whether it is known which class each logit means."""
        return self.checkpoint.weights.classes is not None or self.class_order is not None

    def identity(self) -> dict[str, Any]:
        """Return the settings that must be the same when this evaluation is continued or read again."""
        return {
            "checkpoint.sha256": self.checkpoint.sha256,
            "shards.fingerprint": self.shards.fingerprint,
            "shards.split": self.split.name,
            "protocol": self.protocol,
            "centre_tap": self.centre_tap,
            "precision": self.precision,
            **_when_asked(self.probe, self.class_order, self.weights),
        } | _by_name(self.views)


def prepare(request: EvalRequest, device: torch.device) -> Evaluation:
    """Read checkpoint and shards, and make sure that network, classes and crops fit together.

    Raises:
        CheckpointError: If the checkpoint is unusable, or was trained on other classes.
        RecipeError: If an override is wrong, or a crop does not fit into the videos.
        ShardError: If the shards are incomplete or have no such split.
    """
    shards = request.shards if isinstance(request.shards, ShardSet) else ShardSet.open(request.shards)
    part = shards.split(request.split)
    chosen = choose_checkpoint(Path(request.checkpoint))
    which = choose_weights(chosen.weights, request.weights)
    weights = chosen.weights.of(which)
    network = load_network(weights)
    if request.centre_tap and not cut_to_centre_tap(network):
        raise CheckpointError(
            f"{chosen.path}: its kernels have only one temporal tap: there is nothing to cut."
        )
    classes, order = _classes(weights, shards, request.classes)
    views = choose_views(weights, shards, protocol=request.protocol, overrides=request.overrides)
    _check_crops(views, part)
    if isinstance(network, I3DResNet):
        network.head = choose_head(weights, shards, protocol=request.protocol)
    put_on(network, device)
    return Evaluation(
        checkpoint=chosen,
        weights=which,
        network=network,
        classes=classes,
        shards=shards,
        split=part,
        views=views,
        protocol=request.protocol,
        centre_tap=request.centre_tap,
        probe=request.probe,
        class_order=order,
        precision=choose_precision(device, request.precision),
    )


def _classes(
    weights: WeightFile, shards: ShardSet, source: str | None
) -> tuple[tuple[str, ...], ClassOrder | None]:
    """Return the class names, and which logit is which of them if the user gave a file of names."""
    if source is None:
        return network_classes(weights, shards), None
    if weights.classes is not None:
        raise CheckpointError(f"{weights.source} names its classes itself. Leave --classes {source} out.")
    if shards.manifest is None:
        raise CheckpointError(
            f"{shards.root} names no classes, so --classes {source} has nothing to be compared with. "
            "Leave it out."
        )
    held = class_list(shards)
    return held, order_logits(source, held, len(weights.tensors["fc.weight"]))


def _check_crops(views: EvalViews, split: Split) -> None:
    for width, height in split.frame_sizes:
        try:
            eval_boxes(views, width, height)
        except ValueError as error:
            raise RecipeError(f"eval_views: {error}") from error


def identity_of(results: Results) -> dict[str, Any]:
    """Return what `Evaluation.identity` was, from the results of a finished evaluation."""
    return {
        "checkpoint.sha256": results.checkpoint.sha256,
        "shards.fingerprint": results.shards.fingerprint,
        "shards.split": results.shards.split,
        "protocol": results.protocol,
        "centre_tap": results.centre_tap,
        "precision": results.environment["precision"],
        **_when_asked(results.probe, results.class_order, results.checkpoint.weights),
    } | _by_name(results.views)


def _when_asked(probe: Probe | None, order: ClassOrder | None, weights: Weights) -> dict[str, Any]:
    # Keys only where they are used: an evaluation begun by an earlier release, which lacks them, can go on.
    said = {"probe": probe, "class_order": order and order.sha256()}
    return {name: value for name, value in said.items() if value} | (
        {"weights": weights} if weights != "trained" else {}
    )


def _by_name(views: EvalViews) -> dict[str, Any]:
    return {f"views.{name}": value for name, value in views.model_dump().items()}
