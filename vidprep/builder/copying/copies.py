"""Fill the shards of a plan from the tars of finished shard sets: bytes are copied, nothing is decoded."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pandas as pd

from vidprep.builder.engines.engine import RunShards
from vidprep.builder.places.in_store import building_in_store
from vidprep.builder.plan import Plan
from vidprep.builder.run import BuildResult, OnEvent, carry_out
from vidprep.builder.shard import Accepted, Stored, write_shard
from vidprep.builder.shard_task import Report, ShardTask, stop_if_asked
from vidprep.builder.workspace.finished import Rejected
from vidprep.builder.workspace.plan_file import read_shard_rows
from vidprep.errors import ShardError
from vidprep.machine import num_cores
from vidprep.recipes.classes import dataset_of
from vidprep.recipes.recipe import DatasetStage
from vidprep.shards.layout import LEDGER, MANIFEST
from vidprep.shards.ledger import is_planned, parse_ledger
from vidprep.shards.manifest import Manifest, read_manifest
from vidprep.shards.passports.making import known_contents
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import RangeReader, StoredVideo, range_reader, read_ahead, read_video
from vidprep.shards.tar import Sample
from vidprep.shards.transfer.outline import is_url

# Videos between two checks for a request to stop (about 0.1 s); also how many are fetched ahead.
_LOOK_EVERY = 32
_REMOTE_TURNS = 16  # shards that are filled from a store at the same time
_WHERE = ("mp4_offset", "mp4_size", "mp4_crc32", "num_frames", "width", "height")
Row = dict[str, Any]


@dataclass(frozen=True)
class FinishedSet:
    """A finished shard set to copy from, on a disk or in an object store.

    Attributes:
        root: The folder, or the URL.
        manifest: Manifest of the set.
        ledger: Row of each annotated video.
        stored: Index row of each used video, by key.
        contents: Fingerprints of used videos by key, as far as the set's passport has them.
        reader: Reads byte ranges of its shards.
    """

    root: str
    manifest: Manifest
    ledger: pd.DataFrame
    stored: dict[str, Row]
    contents: dict[str, bytes]
    reader: RangeReader

    @classmethod
    def open(cls, root: Path | str) -> "FinishedSet":
        """Read what is needed to copy from a set.

        Raises:
            ShardError: If it is unfinished or damaged.
        """
        if "://" not in str(root):
            read_manifest(Path(root))  # which says how to finish a build
        shards = ShardSet.open(root)
        ledger = shards.read_named(LEDGER)
        if shards.manifest is None or ledger is None:
            raise ShardError(
                f"{root} has no {MANIFEST}: its build or its copying has not ended, or vidprep did not "
                f"make it. Finish the build, or copy {MANIFEST}, too, as the last file."
            )
        annotated = parse_ledger(ledger, origin=f"{shards.root}/{LEDGER}").to_pandas()
        stored = {row["key"]: row for row in shards.index.to_pylist()}
        contents = known_contents(shards)
        return cls(shards.root, shards.manifest, annotated, stored, contents, range_reader(shards.root))


@dataclass(frozen=True)
class Outcome:
    """What became of a video in the set that it is copied from."""

    source: FinishedSet
    ledger_row: Row


def inventory_rows(ledger: pd.DataFrame, dataset: DatasetStage, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return what an inventory found before anything was transcoded, for the videos of some classes.

    Args:
        ledger: Ledger of a finished set, or some of its rows.
        dataset: The full dataset that the set is of.
        classes: Names in label order.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    rows = ledger[ledger["class"].isin(label_of)].copy()
    planned = is_planned(rows)
    rows["label"] = rows["class"].map(label_of).astype("int32")
    rows["label_full"] = rows["class"].map(dataset_of(dataset).label_of).astype("int32")
    rows["status"] = rows["status"].mask(planned, "present")
    rows["reason"] = rows["reason"].mask(planned, "")
    rows["detail"] = rows["detail"].mask(planned, "")
    rows["source_dir"] = ""
    return rows.drop(columns="shard")


def outcomes_of(source: FinishedSet) -> dict[str, Outcome]:
    """Return the outcome of each planned video of a set, by key."""
    rows = source.ledger[is_planned(source.ledger)]
    return {row["key"]: Outcome(source, row) for row in rows.astype(object).to_dict("records")}  # type: ignore[arg-type]


def carry_out_copy(
    plan: Plan,
    out_dir: Path | str,
    outcomes: dict[str, Outcome],
    on_event: OnEvent,
    full_classes: tuple[str, ...],
) -> BuildResult:
    """Make a shard set by copying videos from finished ones.

    Args:
        plan: Which video goes into which shard.
        out_dir: The new set: a folder, or a URL to make it in a store.
        outcomes: What became of each planned video in its source set, by key.
        on_event: Called with each event.
        full_classes: Names of the full dataset in label order.

    Raises:
        VidprepError: As `carry_out`; and if the store cannot do what is needed.
    """
    engine = copying_engine(outcomes)
    if not is_url(out_dir):
        folder = Path(out_dir).absolute()
        return BuildResult(folder, carry_out(plan, folder, engine, on_event, full_classes))
    url = str(out_dir).rstrip("/")
    with building_in_store(url, on_event) as build:
        manifest = carry_out(plan, build.folder, build.engine(engine), on_event, full_classes)
    return BuildResult(url, manifest)


def copying_engine(outcomes: dict[str, Outcome]) -> RunShards:
    """Return an engine (see `choose_engine`) that copies stored videos instead of transcoding.

    Args:
        outcomes: What became of each planned video, by key.
    """

    def copy_shards(tasks: list[ShardTask], report: Report) -> None:
        # Hashing and copying release Python's lock, so threads suffice. One thread more than there are cores
        # copies, as each waits now and then; as many again wait for the disk. The semaphore keeps all of them
        # from copying, and then waiting, at the same time. A store answers slowly, but many at once.
        is_remote = any("://" in outcome.source.root for outcome in outcomes.values())
        num_turns = max(_REMOTE_TURNS, num_cores()) if is_remote else num_cores() + 1
        turns = BoundedSemaphore(num_turns)
        with ThreadPoolExecutor(2 * num_turns) as pool:
            futures = {pool.submit(_copy_shard, outcomes, task, report, turns): task for task in tasks}
            try:
                for future in as_completed(futures):
                    future.result()
                    report({"event": "done", "shard": futures[future].shard})
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    return copy_shards


def _copy_shard(
    outcomes: dict[str, Outcome], task: ShardTask, report: Report, turns: BoundedSemaphore
) -> None:
    rows = read_shard_rows(task.out_dir, task.shard)
    shard = {"event": "shard", "shard": task.shard, "split": rows[0]["split"], "num_videos": len(rows)}
    report(shard | {"worker": "here"})
    with closing(_copied_videos(outcomes, task, rows, report, turns)) as videos:
        write_shard(task, rows, videos)


def _copied_videos(
    outcomes: dict[str, Outcome], task: ShardTask, rows: list[Row], report: Report, turns: BoundedSemaphore
) -> Generator[Stored, None, None]:
    _read_ahead(outcomes, rows[:_LOOK_EVERY])
    with turns:
        for number, row in enumerate(rows):
            if number % _LOOK_EVERY == 0:
                stop_if_asked(task)
                _read_ahead(outcomes, rows[number + _LOOK_EVERY : number + 2 * _LOOK_EVERY])
            stored = _stored(outcomes[row["key"]], row)
            yield stored
            video = {"event": "video", "shard": task.shard, "key": row["key"], "source": row["source"]}
            why = {"reason": stored.reason, "detail": stored.detail} if isinstance(stored, Rejected) else {}
            report(video | {"seconds": 0.0, "worker": "here"} | why)


def _read_ahead(outcomes: dict[str, Outcome], rows: list[Row]) -> None:
    used = [outcomes[row["key"]] for row in rows if outcomes[row["key"]].ledger_row["status"] == "used"]
    for root, of_root in groupby(used, lambda outcome: outcome.source.root):
        read_ahead(root, [_where(outcome.source, outcome.ledger_row["key"]) for outcome in of_root])


def _where(source: FinishedSet, key: str) -> StoredVideo:
    stored = source.stored[key]
    return StoredVideo(key, stored["shard"], *(stored[name] for name in _WHERE))


def _stored(outcome: Outcome, row: Row) -> Stored:
    """Return a video as its set holds it, or why it was rejected there."""
    known = outcome.ledger_row
    if known["status"] == "rejected":
        return Rejected(
            key=row["key"],
            reason=known["reason"],
            detail=known["detail"],
            source_sha256=known["source_sha256"],
        )
    sample = _sample(outcome.source, row)
    content = outcome.source.contents.get(row["key"])
    return Accepted(sample, known["detail"], known["source_sha256"], known["suspect"], content)


def _sample(source: FinishedSet, row: Row) -> Sample:
    where = source.stored[row["key"]]
    try:
        video = read_video(source.reader, _where(source, row["key"]))
    except ShardError as error:
        raise ShardError(
            f"{source.root}/{where['shard']}: {row['key']} is not the video that the index names, or cannot "
            f"be read: {error} Check the set, or a local copy of it: vidprep verify {source.root}. What is "
            "copied so far is kept."
        ) from error
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
        more_labels=_further_labels(where),
        crc32=where["mp4_crc32"],
    )


def _further_labels(where: Row) -> tuple[tuple[str, str, int], ...]:
    names = [name.removeprefix("class_") for name in where if name.startswith("class_")]
    return tuple((name, where[f"class_{name}"], where[f"label_{name}"]) for name in names)
