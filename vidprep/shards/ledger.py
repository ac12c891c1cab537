"""ledger.parquet: one row per annotated video, so that nothing disappears without a reason."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from vidprep.errors import ShardError
from vidprep.shards.layout import INDEX, LEDGER
from vidprep.shards.manifest import no_set, read_named

if TYPE_CHECKING:
    import pandas as pd

LEDGER_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("split", pa.string()),
        ("video_id", pa.string()),
        ("class", pa.string()),
        ("label", pa.int32()),
        ("status", pa.string()),  # used | missing | rejected
        ("reason", pa.string()),  # a word of REASONS; empty for used and missing
        ("detail", pa.string()),  # what was seen, for a person
        ("source", pa.string()),  # path below its source folder; empty when missing
        ("source_bytes", pa.int64()),
        ("shard", pa.string()),  # empty unless used
        ("source_sha256", pa.string()),  # of the raw file; empty unless a build has read it
        ("suspect", pa.string()),  # a word of SUSPICIONS; empty for nearly all
    ]
)
# Sets made before 0.2.0 lack these.
_LATER_COLUMNS = ("source_sha256", "suspect")

STATUSES = ("used", "missing", "rejected")

# Why a video was rejected: what the annotation or the folder says against it, then what FFmpeg met.
REASONS = {
    "duplicate_row": "the same annotation row stands twice; the first one counts",
    "two_labels": "one id is annotated with two classes",
    "two_splits": "one id is annotated in two splits",
    "wrong_folder": "the file lies in the folder of another class",
    "invalid_id": "the id makes no valid key",
    "zero_bytes": "the file is empty",
    "wrong_checksum": "the file is not the one that the list of checksums names",
    "unreadable": "no container that can be opened",
    "no_video_stream": "there is no video in the file",
    "undecodable": "not a single frame decodes",
    "beyond_end": "the segment ends after its source does",
    "partial": "only a part of the video decodes",
    "too_few_frames": "fewer frames than min_frames",
    "encode_failed": "the encoder refuses the frames",
    "frame_count": "the stored video does not decode to the frames that were encoded",
    "crashed": "FFmpeg died on the video",
    "timed_out": "FFmpeg took longer than timeout_seconds",
    "out_of_memory": "FFmpeg needed more than memory_mb",
}

# Reasons of videos that were rejected before the build, and so were never planned into a shard.
_UNPLANNED_REASONS = {"duplicate_row", "two_labels", "two_splits", "wrong_folder", "invalid_id", "zero_bytes"}

# Signs that a used video may be damaged; none is a reason to reject it.
SUSPICIONS = {
    "green_fill": "a part of the picture is the green that zeroed memory gives",
    "grey_fill": "a part of the picture turns a flat middle grey from one frame to the next",
    "block_noise": "straight edges appear all at once along the blocks that the source's codec works in",
    "frozen": "the picture stands still to the end, for half of the video or more",
    "lost_packets": "FFmpeg says that packets got lost, or an AVI has fewer than its index or header says",
    "cut_off": "an AVI or a transport stream ends in the midst of what it holds",
    "odd_rotation": "the header turns the picture by something else than quarter turns",
}


def write_ledger(table: pa.Table, path: Path) -> None:
    """Write a ledger of `LEDGER_SCHEMA`."""
    pq.write_table(table.cast(LEDGER_SCHEMA), path, compression="zstd")


def read_ledger(shards_dir: Path, generation: int | None = None, *, checked: bool = True) -> pa.Table:
    """Read the ledger of a finished shard set.

    Args:
        shards_dir: The set.
        generation: The generation to read it of; None: the newest.
        checked: Whether to refuse bytes that do not fit the manifest's hash.

    Returns:
        A table of `LEDGER_SCHEMA`.

    Raises:
        ShardError: If there is none, or it is not the one that the manifest names.
    """
    data = read_named(shards_dir, LEDGER, generation, checked=checked)
    if data is None and not (shards_dir / INDEX).is_file():
        raise no_set(shards_dir)
    if data is None:
        raise ShardError(
            f"No ledger in {shards_dir}: a build writes it, and tars made by others have none. If this is a "
            f"copy of a set, copy {LEDGER}, too."
        )
    return parse_ledger(data, origin=str(shards_dir / LEDGER))


def parse_ledger(data: bytes, *, origin: str) -> pa.Table:
    """Read a ledger from the bytes of its file.

    Args:
        data: Content of the file.
        origin: Where the bytes come from; an error message starts with it.

    Raises:
        ShardError: If they are no ledger, or one with other columns.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
    except (ValueError, OSError, pa.ArrowException) as error:  # ValueError: bytes that are no UTF-8
        raise ShardError(f"{origin} cannot be read: {error}. Run the same build again.") from error
    for name in _LATER_COLUMNS:
        if name not in table.schema.names:
            table = table.append_column(name, pa.array([""] * table.num_rows, pa.string()))
    if not table.schema.equals(LEDGER_SCHEMA):
        raise ShardError(f"{origin}: not the columns of this version. Run the same build again.")
    return table


def is_planned(ledger: "pd.DataFrame") -> "pd.Series[bool]":
    """Tell which videos of a ledger were there when the build began, used or rejected later."""
    rejected_later = (ledger["status"] == "rejected") & ~ledger["reason"].isin(_UNPLANNED_REASONS)
    return (ledger["status"] == "used") | rejected_later
