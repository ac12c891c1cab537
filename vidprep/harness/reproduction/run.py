"""Reproduce a published figure: check what is there, evaluate under its conditions, put both side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
from pydantic import BaseModel

from vidprep.errors import CheckpointError, ShardError
from vidprep.harness.device import Precision
from vidprep.harness.evaluation.results import Results
from vidprep.harness.evaluation.run import evaluate
from vidprep.harness.ranks import Device
from vidprep.harness.reproduction.published import Published, find_published
from vidprep.harness.run_folder import epoch_checkpoints
from vidprep.load import LoaderOptions
from vidprep.model.weight_files import WeightFile, read_weights
from vidprep.recipes.pipelines import read_pipeline
from vidprep.recipes.recipe import EvalViews
from vidprep.shards.shard_set import ShardSet

_SPLIT = "validation"
_TRAINED = ("train_clip", "model", "optimisation", "augmentation")
_VIEWS = ("temporal", "frame_step", "num_clips", "num_crops", "crops")
_STORED = ("mode", "short_side", "scaler", "encoder", "crf", "gop", "partial", "min_frames")


@dataclass(frozen=True)
class Reproduction:
    """Ours beside what was published.

    Attributes:
        published: The figure and its conditions.
        results: Ours.
        differences: Differences between our conditions and the published ones, in sentences.
    """

    published: Published
    results: Results
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool | None:
        """Tell whether the published top-1 lies in our 95 % interval; None where none is published."""
        if self.published.top1 is None:
            return None
        low, high = self.results.interval.top1
        return low <= self.published.top1 / 100 <= high


def reproduce(
    name: str,
    shards: ShardSet | Path | str,
    checkpoint: Path | str,
    out_dir: Path | str,
    *,
    device: Device | None = None,
    precision: Precision | None = None,
    micro_batch: int | None = None,
    loading: LoaderOptions | None = None,
    on_video: Callable[[int, int], object] = lambda done, total: None,
) -> Reproduction:
    """Evaluate a network under the conditions of a published figure, and say what differs from them.

    Args:
        name: E.g. "ibm_ssv2", see `vidprep.harness.reproduction.published.PUBLISHED`.
        shards: A shard set of that dataset and its classes.
        checkpoint: The published file of weights, or a run that was trained by its recipe.
        out_dir: Folder of the evaluation.
        device: As in `vidprep.evaluate`, and the other arguments likewise.

    Raises:
        CheckpointError: If the weights are of another network.
        RecipeError: If no published figure has that name.
        ShardError: If the shards are of another dataset or subset; and the errors of `vidprep.evaluate`.
    """
    published = find_published(name)
    opened = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
    differences = shard_differences(published, opened)
    if (path := last_checkpoint(Path(checkpoint))) is not None:  # else `evaluate` says what is missing
        differences += weight_differences(published, read_weights(path))
    results = evaluate(
        opened,
        checkpoint,
        out_dir,
        split=_SPLIT,
        views=published.views,
        protocol=published.protocol,
        overrides=[] if published.protocol else _views_of(published),
        device=device,
        precision=precision,
        micro_batch=micro_batch,
        loading=loading,
        on_video=on_video,
    )
    differences += view_differences(published, results.views)
    return Reproduction(published, results, tuple(differences))


def last_checkpoint(path: Path) -> Path | None:
    """Return the file of the last epoch of a run, or the file itself; None if there is none."""
    if not path.is_dir():
        return path if path.is_file() else None
    epochs = epoch_checkpoints(path)
    return epochs[max(epochs)] if epochs else None


def shard_differences(published: Published, shards: ShardSet) -> list[str]:
    """Return how a shard set differs from the published conditions, in sentences.

    Raises:
        ShardError: If it is of another dataset or other classes.
    """
    wanted = read_pipeline(published.pipeline)
    if shards.manifest is None:
        raise ShardError(
            f"{shards.root} has no manifest, so it is not known what it is of. Build the shards with "
            f"vidprep: vidprep build {published.pipeline}."
        )
    built = shards.manifest.recipe
    if (built.dataset.name, built.dataset.subset) != (wanted.dataset.name, wanted.dataset.subset):
        raise ShardError(
            f"{shards.root} is of {_called(built.dataset.name, built.dataset.subset)}, {published.name} is "
            f"of {_called(wanted.dataset.name, wanted.dataset.subset)}. Give the shards of vidprep build "
            f"{published.pipeline}."
        )
    return [*_stored_differently(built.transcode, wanted.transcode), *_other_videos(published, shards)]


def _stored_differently(built: object, wanted: object) -> list[str]:
    return [
        f"Stored with transcode.{key} = {getattr(built, key)!r}, not {getattr(wanted, key)!r}."
        for key in _STORED
        if getattr(built, key) != getattr(wanted, key)
    ]


def _other_videos(published: Published, shards: ShardSet) -> list[str]:
    assert shards.manifest is not None
    found, total, split = [], shards.manifest.totals[_SPLIT], shards.split(_SPLIT)
    if published.num_videos is not None and total.used != published.num_videos:
        found.append(f"{total.used:,} validation videos, not the published {published.num_videos:,}.")
    if total.used < total.annotated:
        found.append(
            f"{total.rejected + total.missing:,} of {total.annotated:,} annotated videos are not there."
        )
    short = pc.sum(pc.less(split.index["num_frames"], published.min_frames)).as_py() if len(split) else 0
    if short:
        found.append(
            f"{short:,} videos under {published.min_frames} frames are evaluated; they were left out there."
        )
    if not shards.manifest.passport_sha256:
        found.append(
            "The shards have no passport, so nobody can compare which videos they are: vidprep passport DIR."
        )
    return found


def weight_differences(published: Published, weights: WeightFile) -> list[str]:
    """Return how a network differs from the published one, and how its training does, in sentences.

    Raises:
        CheckpointError: If it is of another depth.
    """
    wanted = read_pipeline(published.pipeline)
    if weights.depth is not None and weights.depth != wanted.model.depth:
        raise CheckpointError(
            f"{weights.source} is a ResNet-{weights.depth}, {published.name} is of "
            f"I3D-ResNet-{wanted.model.depth}. "
            "Give the file of that network."
        )
    found = []
    if weights.is_2d:
        found.append("The file holds a 2D network, which was not trained on videos.")
    if published.protocol == "ibm" and weights.form == "vidprep":
        found.append("The weights are of a training of ours, not the published file.")
    if published.protocol is None and weights.recipe is None:
        found.append("The file does not say how its network was trained.")
    if published.protocol is None and weights.recipe is not None:
        found += [
            f"Trained with {key} = {ours!r}, not {theirs!r}."
            for table in _TRAINED
            for key, ours, theirs in _different(
                table, getattr(weights.recipe, table), getattr(wanted, table), skip=()
            )
        ]
    return found


def view_differences(published: Published, views: EvalViews) -> list[str]:
    """Return how the views of an evaluation differ from the published ones, in sentences."""
    name = f"{published.protocol}_{_dataset(published)}" if published.protocol else published.pipeline
    wanted = read_pipeline(name).eval_views
    skip = ("num_crops", "num_clips") if published.views else ()
    return [
        f"Evaluated with {key} = {ours!r}, not {theirs!r}."
        for key, ours, theirs in _different("eval_views", views, wanted, skip=skip)
    ]


def _views_of(published: Published) -> list[str]:
    """Return the views of a pipeline as settings; clip_len and crop_size stay the network's own."""
    wanted = read_pipeline(published.pipeline).eval_views
    return [f"eval_views.{key}={getattr(wanted, key)}" for key in _VIEWS]


def _dataset(published: Published) -> str:
    return read_pipeline(published.pipeline).dataset.name


def _different(
    table: str, ours: BaseModel, theirs: BaseModel, *, skip: Sequence[str]
) -> list[tuple[str, object, object]]:
    """Return (table.key, value, published value) of the settings that differ."""
    mine, wanted = ours.model_dump(), theirs.model_dump()
    return [
        (f"{table}.{key}", value, wanted.get(key))
        for key, value in mine.items()
        if key not in skip and value != wanted.get(key)
    ]


def _called(dataset: str, subset: str | None) -> str:
    return subset or f"all of {dataset}"
