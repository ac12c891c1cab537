"""Fill the shards of a plan from the tars of finished shard sets: bytes are copied, nothing is decoded."""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vidprep.builder.engine import RunShards
from vidprep.builder.finished import Rejected
from vidprep.builder.plan import read_shard_rows
from vidprep.builder.shard import Report, ShardTask, Stored, write_shard
from vidprep.errors import ShardError
from vidprep.machine import num_cores
from vidprep.recipes.manifests import read_dataset
from vidprep.shards.index import read_index
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import Manifest, read_manifest
from vidprep.shards.tar import Sample

# Rejected before a build has looked into them: these were never planned into a shard.
UNPLANNED_REASONS = {"duplicate_row", "two_labels", "two_splits", "wrong_folder", "invalid_id", "zero_bytes"}
Row = dict[str, Any]


@dataclass(frozen=True)
class FinishedSet:
    """A finished shard set to copy from.

    Attributes:
        root: The folder.
        manifest: Of the set.
        ledger: Row of each annotated video.
        stored: Index row of each used video, by key.
    """

    root: Path
    manifest: Manifest
    ledger: pd.DataFrame
    stored: dict[str, Row]

    @classmethod
    def open(cls, root: Path) -> "FinishedSet":
        """Read what is needed to copy from a set.

        Raises:
            ShardError: If it is not finished or damaged.
        """
        manifest = read_manifest(root)
        stored = {row["key"]: row for row in read_index(root).to_pylist()}
        return cls(root, manifest, read_ledger(root).to_pandas(), stored)


@dataclass(frozen=True)
class Outcome:
    """What became of a video in the set that it is copied from."""

    source: FinishedSet
    ledger_row: Row


def inventory_rows(ledger: pd.DataFrame, dataset: str, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return what an inventory found before anything was transcoded, for the videos of some classes.

    Args:
        ledger: Of a finished set, or some of its rows.
        dataset: The full dataset that the set is of.
        classes: Names in label order.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    rows = ledger[ledger["class"].isin(label_of)].copy()
    planned = is_planned(rows)
    rows["label"] = rows["class"].map(label_of).astype("int32")
    rows["label_full"] = rows["class"].map(read_dataset(dataset).label_of).astype("int32")
    rows["status"] = rows["status"].mask(planned, "present")
    rows["reason"] = rows["reason"].mask(planned, "")
    rows["detail"] = rows["detail"].mask(planned, "")
    rows["source_dir"] = ""
    return rows.drop(columns="shard")


def is_planned(ledger: pd.DataFrame) -> "pd.Series[bool]":
    """Tell which videos of a ledger were there when the build began, used or rejected later."""
    rejected_later = (ledger["status"] == "rejected") & ~ledger["reason"].isin(UNPLANNED_REASONS)
    return (ledger["status"] == "used") | rejected_later


def outcomes_of(source: FinishedSet) -> dict[str, Outcome]:
    """Return the outcome of each planned video of a set, by key."""
    rows = source.ledger[is_planned(source.ledger)]
    return {row["key"]: Outcome(source, row) for row in rows.astype(object).to_dict("records")}  # type: ignore[arg-type]


def copying_engine(outcomes: dict[str, Outcome]) -> RunShards:
    """Return what fills shards with stored videos.

    Args:
        outcomes: Of each planned video, by key.
    """

    def copy_shards(tasks: list[ShardTask], report: Report) -> None:
        # Hashing and copying leave Python's lock, so threads will do.
        with ThreadPoolExecutor(num_cores()) as pool:
            futures = {pool.submit(_copy_shard, outcomes, task, report): task for task in tasks}
            try:
                for future in as_completed(futures):
                    future.result()
                    report({"event": "done", "shard": futures[future].shard})
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    return copy_shards


def _copy_shard(outcomes: dict[str, Outcome], task: ShardTask, report: Report) -> None:
    rows = read_shard_rows(task.out_dir, task.shard)
    shard = {"event": "shard", "shard": task.shard, "split": rows[0]["split"], "num_videos": len(rows)}
    report(shard | {"worker": "here"})
    write_shard(task, rows, _copied_videos(outcomes, task, rows, report))


def _copied_videos(
    outcomes: dict[str, Outcome], task: ShardTask, rows: list[Row], report: Report
) -> Iterator[Stored]:
    for row in rows:
        stored = _stored(outcomes[row["key"]], row)
        yield stored
        video = {"event": "video", "shard": task.shard, "key": row["key"], "source": row["source"]}
        why = {"reason": stored.reason, "detail": stored.detail} if isinstance(stored, Rejected) else {}
        report(video | {"seconds": 0.0, "worker": "here"} | why)


def _stored(outcome: Outcome, row: Row) -> Stored:
    """Return a video as its set holds it, or why it was rejected there."""
    known = outcome.ledger_row
    if known["status"] == "rejected":
        return Rejected(key=row["key"], reason=known["reason"], detail=known["detail"])
    return _sample(outcome.source, row), known["detail"]


def _sample(source: FinishedSet, row: Row) -> Sample:
    where = source.stored[row["key"]]
    with (source.root / where["shard"]).open("rb") as tar:
        tar.seek(where["mp4_offset"])
        video = tar.read(where["mp4_size"])
    if zlib.crc32(video) != where["mp4_crc32"]:
        raise ShardError(
            f"{source.root / where['shard']}: {row['key']} is not the video that the index names. Check the "
            f"set: vidprep verify {source.root}. What is copied so far is kept."
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
