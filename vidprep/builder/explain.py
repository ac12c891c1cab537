"""One video's whole story, from annotation to shard."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from vidprep.builder.log import read_log
from vidprep.builder.plan import plan_path, read_facts
from vidprep.builder.workspace import done_path
from vidprep.errors import BuildError
from vidprep.shards.index import read_index
from vidprep.shards.layout import INDEX, LEDGER
from vidprep.shards.ledger import REASONS, read_ledger

Story = list[tuple[str, str]]


def explain(shards_dir: Path, key_or_id: str) -> list[Story]:
    """Tell what became of a video.

    Args:
        key_or_id: A key (`train-abc`) or a video id (`abc`).

    Returns:
        One story per annotated row, as (what, value) pairs in order of events.

    Raises:
        BuildError: If no annotated video has that key or id.
    """
    if not key_or_id:
        raise BuildError("Give a key (train-<id>) or a video id.")
    read_facts(shards_dir)
    wanted = (pc.field("key") == key_or_id) | (pc.field("video_id") == key_or_id)
    rows = pq.read_table(plan_path(shards_dir), filters=wanted).to_pylist()
    if not rows:
        raise BuildError(
            f"No annotated video of {shards_dir} has the key or id {key_or_id!r}. Keys look like "
            "train-<id>; a video of a class outside the subset is in no ledger."
        )
    return [_tell(shards_dir, row) for row in rows]


def _tell(shards_dir: Path, row: dict[str, Any]) -> Story:
    story = [
        ("key", row["key"]),
        ("annotated as", f"{row['class']} (label {row['label']}, {row['label_full']} in the full set)"),
        ("split", row["split"]),
    ]
    if row["source"]:
        story.append(("found as", f"{row['source_dir']}/{row['source']} ({row['source_bytes']:,} bytes)"))
    if row["shard"] >= 0:
        return story + _planned(shards_dir, row)
    return story + _status(row)


def _planned(shards_dir: Path, row: dict[str, Any]) -> Story:
    story = [("planned for", f"shard {row['shard']} of the plan")]
    story += [(f"on {event['time']}", _attempt(event)) for event in _events(shards_dir, row["key"])]
    if (shards_dir / LEDGER).is_file():
        # The first row of an id that stands twice is the one that counts.
        found = [
            one for one in _rows(read_ledger(shards_dir), row["key"]) if one["reason"] != "duplicate_row"
        ]
        story += _status(found[0])
    elif not done_path(shards_dir, row["shard"]).is_file():
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
