"""One video's whole story, from annotation to shard."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from vidprep.builder.workspace.extensions import extension_dirs
from vidprep.builder.workspace.finished import is_done
from vidprep.builder.workspace.log import describe_problems, read_log, scan_log
from vidprep.builder.workspace.plan_file import find_rows, planned_facts, read_facts
from vidprep.builder.workspace.shares import share_dirs
from vidprep.errors import BuildError
from vidprep.shards.index import read_index
from vidprep.shards.layout import INDEX, LEDGER, MANIFEST
from vidprep.shards.ledger import REASONS, read_ledger
from vidprep.shards.transfer.outline import local_outline

Story = list[tuple[str, str]]


def explain(shards_dir: Path | str, key_or_id: str) -> list[Story]:
    """Tell what became of a video: as annotated, found, planned, attempted and stored.

        key = vidprep.ShardSet.open("shards/motion").split("train").video(0).key
        for what, value in vidprep.explain("shards/motion", key)[0]:
            print(what, value)

    Args:
        shards_dir: A shard set, or the folder of a build that is not finished; or its URL.
        key_or_id: A key (`train-abc`) or a video id (`abc`).

    Returns:
        One story per annotated row, as (what, value) pairs in order of events.

    Raises:
        BuildError: If no annotated video has that key or id.
    """
    if not key_or_id:
        raise BuildError("Give a key (train-<id>) or a video id.")
    with local_outline(shards_dir) as folder:
        return _tell_of(folder, key_or_id)


def _tell_of(shards_dir: Path, key_or_id: str) -> list[Story]:
    if share_dirs(shards_dir) and planned_facts(shards_dir) is None:
        raise BuildError(
            f"The tasks of a job array have not finished {shards_dir} yet: see vidprep status {shards_dir}."
        )
    is_copy = planned_facts(shards_dir) is None and (shards_dir / MANIFEST).is_file()
    if is_copy:
        ledger = read_ledger(shards_dir)
        rows = ledger.filter((pc.field("key") == key_or_id) | (pc.field("video_id") == key_or_id)).to_pylist()
    else:
        read_facts(shards_dir)
        rows = find_rows(shards_dir, key_or_id)
    if not rows:
        raise BuildError(
            f"No annotated video of {shards_dir} has the key or id {key_or_id!r}. Keys look like "
            "train-<id>; a video of a class outside the subset is in no ledger."
        )
    if is_copy:
        return [_tell_of_copy(shards_dir, row) for row in rows]
    later = {
        (row["split"], row["video_id"]): (folder, row)
        for folder in extension_dirs(shards_dir)
        for row in find_rows(folder, key_or_id)
    }
    return [_tell(shards_dir, *_newest(shards_dir, row, later)) for row in rows]


def _newest(
    shards_dir: Path, row: dict[str, Any], later: dict[tuple[str, str], tuple[Path, dict[str, Any]]]
) -> tuple[Path, dict[str, Any]]:
    """Return where a video was planned last: in the build itself, or in an extension."""
    if row["reason"] == "duplicate_row":
        return shards_dir, row
    return later.get((row["split"], row["video_id"]), (shards_dir, row))


def _tell(shards_dir: Path, folder: Path, row: dict[str, Any]) -> Story:
    label = f"label {row['label']}, {row['label_full']} in the full set"
    story = _beginning(row, label, f"{row['source_dir']}/{row['source']}")
    if row["shard"] >= 0:
        return story + _planned(shards_dir, folder, row)
    return story + _status(row)


def _beginning(row: dict[str, Any], label: str, source: str) -> Story:
    """Tell the key, class and split of a video, and its source if a file was found."""
    story = [("key", row["key"]), ("annotated as", f"{row['class']} ({label})"), ("split", row["split"])]
    if row["source"]:
        story.append(("found as", f"{source} ({row['source_bytes']:,} bytes)"))
    return story


def _tell_of_copy(shards_dir: Path, row: dict[str, Any]) -> Story:
    """Tell what ledger and index say, in a set that was copied without what its build keeps."""
    story = _beginning(row, f"label {row['label']}", row["source"]) + _status(row)
    stored = _rows(read_index(shards_dir), row["key"]) if row["status"] == "used" else []
    return story + [line for one in stored for line in _stored(one)]


def _planned(shards_dir: Path, folder: Path, row: dict[str, Any]) -> Story:
    plan = "the plan" if folder == shards_dir else f"the extension in {folder.name}"
    story = [("planned for", f"shard {row['shard']} of {plan}")]
    folders = dict.fromkeys((shards_dir, folder))
    events = [event for one in folders for event in _events(one, row["key"])]
    story += [(f"on {event['time']}", _attempt(event)) for event in events]
    for place in folders:
        if problems := scan_log(place).problems:
            story.append(("attempts", f"maybe more than these: {describe_problems(place, problems)}"))
    if (shards_dir / LEDGER).is_file():
        # Where an id is annotated twice, the first row counts.
        found = [
            one for one in _rows(read_ledger(shards_dir), row["key"]) if one["reason"] != "duplicate_row"
        ]
        story += _status(found[0])
    elif not is_done(folder, row["shard"]):
        story.append(("status", "waiting for its shard to be built"))
    else:
        story.append(("status", "its shard is finished, the build is not"))
    if (shards_dir / INDEX).is_file():
        for one in _rows(read_index(shards_dir), row["key"]):
            story += _stored(one)
    return story


def _stored(row: dict[str, Any]) -> Story:
    return [
        ("stored in", f"{row['shard']}, sample {row['position']}"),
        (
            "video bytes",
            f"{row['mp4_size']:,} at {row['mp4_offset']:,}, crc32 {row['mp4_crc32']:08x}",
        ),
        (
            "stored as",
            f"{row['num_frames']} frames, {row['width']}x{row['height']}, {row['fps']:.3f} fps, "
            f"{row['duration_seconds']:.2f} s",
        ),
    ]


def _events(shards_dir: Path, key: str) -> list[dict[str, Any]]:
    return [event for event in read_log(shards_dir) if event.get("key") == key]


def _attempt(event: dict[str, Any]) -> str:
    outcome = f"rejected: {event['reason']}" if "reason" in event else "transcoded"
    return f"{outcome} by worker {event['worker']} in {event['seconds']:.2f} s"


def _status(row: dict[str, Any]) -> Story:
    reason = f": {row['reason']} ({REASONS[row['reason']]})" if row["reason"] else ""
    return [("status", f"{row['status']}{reason}"), *([("seen", row["detail"])] if row["detail"] else [])]


def _rows(table: Any, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(pc.field("key") == key).to_pylist()
    return rows
