"""A part of a finished shard set as a set of its own: stored videos are copied, nothing is decoded.

It is a build whose shards are filled from the full set's tars instead of by FFmpeg: the same plan, the same
resume, the same last step. So it gives the bytes that a build of the part from the raw videos gives.
"""

import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vidprep.builder.finished import Rejected
from vidprep.builder.plan import plan_build, read_shard_rows
from vidprep.builder.run import BuildResult, OnEvent, carry_out
from vidprep.builder.shard import Report, ShardTask, Stored, write_shard
from vidprep.errors import BuildError, RecipeError, ShardError
from vidprep.machine import num_cores
from vidprep.recipes.classes import resolve_classes
from vidprep.recipes.manifests import SPLITS, read_dataset
from vidprep.recipes.mini import resolve_recipe
from vidprep.recipes.recipe import Recipe
from vidprep.shards.index import read_index
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import Manifest, read_manifest
from vidprep.shards.tar import Sample

# Rejected before a build has looked into them: these were never planned into a shard.
_UNPLANNED_REASONS = {"duplicate_row", "two_labels", "two_splits", "wrong_folder", "invalid_id", "zero_bytes"}
Row = dict[str, Any]


@dataclass(frozen=True)
class _FullSet:
    """What is copied from.

    Attributes:
        root: The folder.
        manifest: Of the set.
        stored: Index row of each used video, by key.
        ledger: Ledger row of each video that a shard was planned for, by key.
    """

    root: Path
    manifest: Manifest
    stored: dict[str, Row]
    ledger: dict[str, Row]


def subset(
    full_dir: Path | str,
    out_dir: Path | str,
    *,
    subset: str | None = None,
    class_list: Path | None = None,
    ids: Path | None = None,
    splits: Sequence[str] = SPLITS,
    limit: int | None = None,
    overrides: Sequence[str] = (),
    on_event: OnEvent = lambda event: None,
) -> BuildResult:
    """Make a shard set of a part of a finished one by copying stored videos.

    Every tar has the bytes that a build of the part from the raw videos has, with the same recipe and FFmpeg.
    Stopped or killed? The same call goes on where it was; the full set is only read.

    Args:
        full_dir: The finished set.
        out_dir: The new one.
        subset: Pipeline of a subset of the dataset, e.g. "mini_k400"; None: all classes.
        class_list: A text file with classes of one's own instead, one a line.
        ids: A text file with the ids of the videos to take, one a line; None: all.
        splits: To take.
        limit: Videos of each split at most.
        overrides: `table.key=value` settings of the recipe, e.g. `shards.samples_per_shard=500`.
        on_event: Told of each event, see `build`.

    Raises:
        BuildError: If the folder holds something else, or the disk is full.
        RecipeError: If the subset is of another dataset, stores videos otherwise, or an id is unknown.
        ShardError: If the full set is not finished or damaged.
    """
    full_dir = Path(full_dir)
    manifest = read_manifest(full_dir)
    recipe = _recipe(manifest.recipe, subset, class_list, overrides)
    classes = resolve_classes(recipe.dataset)
    ledger = read_ledger(full_dir).to_pandas()
    rows = _inventory_rows(ledger, recipe, classes, splits)
    if ids is not None:
        rows = _chosen(rows, ids)
    plan = plan_build(recipe, rows, classes, ffmpeg_version=manifest.tools["ffmpeg"], limit=limit)
    if not plan.facts.num_videos:
        raise BuildError(f"{full_dir} holds no video of what is asked for. See `vidprep ledger {full_dir}`.")
    full = _full_set(full_dir, manifest, ledger)
    out_dir = Path(out_dir).absolute()

    def engine(tasks: list[ShardTask], report: Report) -> None:
        _copy_shards(full, tasks, report)

    full_classes = read_dataset(recipe.dataset.name).labels.classes
    return BuildResult(out_dir, carry_out(plan, out_dir, engine, on_event, full_classes))


def _recipe(full: Recipe, name: str | None, class_list: Path | None, overrides: Sequence[str]) -> Recipe:
    wanted = resolve_recipe(name or full, class_list=class_list, overrides=overrides)
    if wanted.dataset.name != full.dataset.name:
        raise RecipeError(
            f"'{name}' is a subset of {wanted.dataset.name}, this set holds {full.dataset.name}."
        )
    if name:  # how videos are stored is a fact of the full set
        wanted = wanted.model_copy(update={"transcode": full.transcode})
        if not any(override.startswith("shards.") for override in overrides):
            wanted = wanted.model_copy(update={"shards": full.shards})
    if wanted.transcode != full.transcode:
        raise RecipeError(
            "Stored videos are copied as they are: transcode.* cannot be set. Build from raw videos."
        )
    missing = set(resolve_classes(wanted.dataset)) - set(resolve_classes(full.dataset))
    if missing:
        raise RecipeError(
            f"{len(missing)} classes of '{wanted.name}' are not in this set, e.g. '{min(missing)}'. "
            "Take a subset of the classes that it holds."
        )
    return wanted


def _inventory_rows(
    ledger: pd.DataFrame, recipe: Recipe, classes: tuple[str, ...], splits: Sequence[str]
) -> pd.DataFrame:
    """Return what an inventory of the part would have found, before anything was transcoded."""
    label_of = {name: label for label, name in enumerate(classes)}
    full_label_of = read_dataset(recipe.dataset.name).label_of
    rows = ledger[ledger["class"].isin(label_of) & ledger["split"].isin(splits)].copy()
    planned = (rows["status"] == "used") | (
        (rows["status"] == "rejected") & ~rows["reason"].isin(_UNPLANNED_REASONS)
    )
    rows["label"] = rows["class"].map(label_of).astype("int32")
    rows["label_full"] = rows["class"].map(full_label_of).astype("int32")
    rows["status"] = rows["status"].mask(planned, "present")
    rows["reason"] = rows["reason"].mask(planned, "")
    rows["detail"] = rows["detail"].mask(planned, "")
    rows["source_dir"] = ""
    return rows.drop(columns="shard")


def _chosen(rows: pd.DataFrame, ids: Path) -> pd.DataFrame:
    try:
        wanted = {line.strip() for line in ids.read_text(encoding="utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{ids}: no list of ids: {error}. Write one video id a line.") from error
    unknown = sorted(wanted - set(rows["video_id"]))
    if unknown:
        raise RecipeError(
            f"{ids}: {len(unknown)} of {len(wanted)} ids are not annotated in this part of the set, e.g. "
            f"{unknown[0]!r}. Take them out, or look for them: vidprep ledger DIR --csv FILE."
        )
    return rows[rows["video_id"].isin(wanted)]


def _full_set(root: Path, manifest: Manifest, ledger: pd.DataFrame) -> _FullSet:
    index = read_index(root)
    stored = {row["key"]: row for row in index.to_pylist()}
    return _FullSet(
        root,
        manifest,
        stored,
        {row["key"]: {str(name): value for name, value in row.items()} for row in ledger.to_dict("records")},
    )


def _copy_shards(full: _FullSet, tasks: list[ShardTask], report: Report) -> None:
    """Fill shards, a few at a time: hashing and copying leave Python's lock, so threads will do."""
    with ThreadPoolExecutor(num_cores()) as pool:
        futures = {pool.submit(_copy_shard, full, task, report): task for task in tasks}
        try:
            for future in as_completed(futures):
                future.result()
                report({"event": "done", "shard": futures[future].shard})
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _copy_shard(full: _FullSet, task: ShardTask, report: Report) -> None:
    rows = read_shard_rows(task.out_dir, task.shard)
    shard = {"event": "shard", "shard": task.shard, "split": rows[0]["split"], "num_videos": len(rows)}
    report(shard | {"worker": "here"})
    write_shard(task, rows, _copied_videos(full, task, rows, report))


def _copied_videos(full: _FullSet, task: ShardTask, rows: list[Row], report: Report) -> Iterator[Stored]:
    for row in rows:
        stored = _stored(full, row)
        yield stored
        video = {"event": "video", "shard": task.shard, "key": row["key"], "source": row["source"]}
        why = {"reason": stored.reason, "detail": stored.detail} if isinstance(stored, Rejected) else {}
        report(video | {"seconds": 0.0, "worker": "here"} | why)


def _sample(full: _FullSet, row: Row, where: Row) -> Sample:
    with (full.root / where["shard"]).open("rb") as tar:
        tar.seek(where["mp4_offset"])
        video = tar.read(where["mp4_size"])
    if zlib.crc32(video) != where["mp4_crc32"]:
        raise ShardError(
            f"{full.root / where['shard']}: {row['key']} is not the video that the index names. Check the "
            f"set: vidprep verify {full.root}. What is copied so far is kept."
        )
    return Sample(
        key=row["key"],
        split=row["split"],
        video_id=row["video_id"],
        label=row["label"],
        label_full=row["label_full"],
        class_name=row["class"],
        num_frames=where["num_frames"],
        width=where["width"],
        height=where["height"],
        fps=where["fps"],
        duration_seconds=where["duration_seconds"],
        video=video,
    )


def _stored(full: _FullSet, row: Row) -> Stored:
    """Return a video as the full set holds it, or why it was rejected there."""
    known = full.ledger[row["key"]]
    if known["status"] == "rejected":
        return Rejected(key=row["key"], reason=known["reason"], detail=known["detail"])
    where = full.stored[row["key"]]
    return _sample(full, row, where), known["detail"]
