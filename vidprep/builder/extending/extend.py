"""Extend a finished set: find the new videos, build their shards beside it, and move them into it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from vidprep.builder.engines.engine import RunShards
from vidprep.builder.extending.candidates import newcomers
from vidprep.builder.extending.next_generation import finish_pending, write_generation
from vidprep.builder.plan import Plan, describe_difference, in_order, plan_build
from vidprep.builder.run import (
    BuildRequest,
    BuildResult,
    OnEvent,
    fill_shards,
    inventory_of,
    with_found_dataset,
    working_in,
)
from vidprep.builder.workspace.extensions import begin_extension, drop_extension, extension_dir
from vidprep.builder.workspace.plan_file import begun_facts, read_plan
from vidprep.errors import BuildError
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg
from vidprep.recipes.classes import resolve_classes
from vidprep.recipes.manifests import class_list_hash
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import Manifest, read_manifest

_ROW = ["split", "video_id"]


def extend_set(
    request: BuildRequest, engine: RunShards, on_event: OnEvent, retry: Sequence[str]
) -> BuildResult:
    """Add to a finished set the videos that were missing and are there now, and some that were rejected.

    Until the very last step, readers see the set as it was. A stopped or killed call is resumed by the same
    call.

    Raises:
        BuildError: If the set was built differently or from another annotation, or another build works in it.
        ShardError: If there is no finished set.
    """
    root = request.out_dir
    ffmpeg = ffmpeg_version(find_ffmpeg(request.ffmpeg))
    request = _with_known_classes(request, read_manifest(root))
    _check_alike(request, read_manifest(root), ffmpeg)
    with working_in(root, finished_set=True):
        extended = finish_pending(root)  # written by an earlier call that was killed in its last step
        if extended is None and _write_next(request, ffmpeg, engine, on_event, retry):
            extended = finish_pending(root)
    if extended is None:
        return BuildResult(root, read_manifest(root))
    return BuildResult(root, extended, extended.history[-1])


def _write_next(
    request: BuildRequest, ffmpeg: str, engine: RunShards, on_event: OnEvent, retry: Sequence[str]
) -> bool:
    """Build the shards of the next generation and write it down; tell whether there is one."""
    root = request.out_dir
    manifest = read_manifest(root)
    folder = extension_dir(root, manifest.generation + 1)
    inventory = inventory_of(request, folder, on_event)
    request = with_found_dataset(request, inventory)
    rows = in_order(inventory.rows, manifest.recipe.shards.seed, manifest.limit)
    found = newcomers(rows, read_ledger(root).to_pandas(), retry, root=root)
    plan = _plan(request, _begun_only(found, folder, root), inventory.classes, ffmpeg, folder)
    if plan.rows.empty:
        return False
    date = begin_extension(folder)
    done = fill_shards(plan, folder, engine, on_event, request.ffmpeg)
    reasons = _reasons_before(found, plan)
    if write_generation(root, folder, plan, done, date=date, reasons_before=reasons):
        return True
    drop_extension(folder)  # tried anew, with the same result
    return False


def _with_known_classes(request: BuildRequest, manifest: Manifest) -> BuildRequest:
    """Give a dataset of your own that does not list its classes those of the set."""
    stage, before = request.recipe.dataset, manifest.recipe.dataset.definition
    if stage.definition is None or stage.definition.labels.classes or before is None:
        return request
    known = stage.definition.model_copy(update={"labels": before.labels, "more_labels": before.more_labels})
    dataset = stage.model_copy(update={"definition": known})
    return replace(request, recipe=request.recipe.model_copy(update={"dataset": dataset}))


def _check_alike(request: BuildRequest, manifest: Manifest, ffmpeg: str) -> None:
    """Refuse another recipe than the set was built with: its shards would be of two kinds."""
    before, now = manifest.recipe, request.recipe
    pairs = {
        f"{stage}.{key}": (value, getattr(getattr(now, stage), key))
        for stage in ("dataset", "transcode", "shards")
        for key, value in getattr(before, stage)
    }
    pairs["name"] = (before.name, now.name)
    pairs["FFmpeg"] = (manifest.tools["ffmpeg"], ffmpeg)
    pairs["limit"] = (manifest.limit, request.limit)
    classes = class_list_hash(resolve_classes(now.dataset))
    pairs["class list"] = (manifest.classes_sha256[:8], classes[:8])
    is_other = pairs.pop("dataset.definition")
    differing = [f"{name} was {old} and is {new}" for name, (old, new) in pairs.items() if old != new]
    differing += ["the dataset's file, folders or classes changed"] if is_other[0] != is_other[1] else []
    if differing:
        raise BuildError(
            f"{request.out_dir} was built differently: {'; '.join(differing)}. Extend it with the settings "
            "that it was built with, or build into a new folder."
        )


def _begun_only(found: pd.DataFrame, folder: Path, root: Path) -> pd.DataFrame:
    """Keep the videos that an extension was begun with; those that turned up since are for the next one.

    Raises:
        BuildError: If videos that it was begun with are not found, or not asked for, now.
    """
    if begun_facts(folder) is None:
        return found
    begun = read_plan(folder).rows[_ROW].drop_duplicates()
    sides = begun.merge(found[_ROW].drop_duplicates(), on=_ROW, how="left", indicator=True)
    lacking = sides.loc[sides["_merge"] == "left_only", "video_id"].tolist()
    if lacking:
        raise BuildError(
            f"An extension of {root} was begun with {len(begun):,} videos, of which {len(lacking):,} are not "
            f"there or not asked for now, e.g. {lacking[0]}. Give the same sources and the same --retry as "
            f"then, or drop it: delete {folder}."
        )
    return found.merge(begun, on=_ROW, how="inner")


def _plan(
    request: BuildRequest, rows: pd.DataFrame, classes: tuple[str, ...], ffmpeg: str, folder: Path
) -> Plan:
    """Plan the shards of the next generation: those of the videos that are new in it."""
    plan = plan_build(
        request.recipe,
        rows.drop(columns="reason_before"),
        classes,
        ffmpeg_version=ffmpeg,
        limit=request.limit,
    )
    begun = begun_facts(folder)
    if begun is not None and (difference := describe_difference(begun, plan.facts)):
        raise BuildError(
            f"An extension of {request.out_dir} was begun from other files: {difference}. Bring them back, "
            f"or drop it: delete {folder}."
        )
    return plan


def _reasons_before(found: pd.DataFrame, plan: Plan) -> list[str]:
    """Return why each video of a plan was rejected before, or ""."""
    reasons = found.drop_duplicates(_ROW).set_index(_ROW)["reason_before"].to_dict()
    return [reasons[row] for row in plan.rows[_ROW].itertuples(index=False, name=None)]
