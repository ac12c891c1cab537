"""ledger.parquet: one row per annotated video, so that nothing disappears without a reason."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vidprep.errors import ShardError
from vidprep.shards.layout import LEDGER

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
    ]
)

STATUSES = ("used", "missing", "rejected")

# Why a video was rejected: what the annotation or the folder says against it, then what FFmpeg met.
REASONS = {
    "duplicate_row": "the same annotation row stands twice; the first one counts",
    "two_labels": "one id is annotated with two classes",
    "two_splits": "one id is annotated in two splits",
    "wrong_folder": "the file lies in the folder of another class",
    "invalid_id": "the id makes no valid key",
    "zero_bytes": "the file is empty",
    "unreadable": "no container that can be opened",
    "no_video_stream": "there is no video in the file",
    "undecodable": "not a single frame decodes",
    "partial": "only a part of the video decodes",
    "too_few_frames": "fewer frames than min_frames",
    "encode_failed": "the encoder refuses the frames",
    "frame_count": "the stored video does not decode to the frames that were encoded",
    "crashed": "FFmpeg died on the video",
    "timed_out": "FFmpeg took longer than timeout_seconds",
    "out_of_memory": "FFmpeg needed more than memory_mb",
}


def write_ledger(table: pa.Table, path: Path) -> None:
    """Write a ledger of `LEDGER_SCHEMA`."""
    pq.write_table(table.cast(LEDGER_SCHEMA), path, compression="zstd")


def read_ledger(shards_dir: Path) -> pa.Table:
    """Read the ledger of a finished shard set.

    Returns:
        A table of `LEDGER_SCHEMA`.

    Raises:
        ShardError: If there is none.
    """
    path = shards_dir / LEDGER
    if not path.is_file():
        raise ShardError(
            f"No ledger in {shards_dir}: it is written when a build ends. See `vidprep status {shards_dir}`."
        )
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ShardError(f"{path} cannot be read: {error}. Run the same build again.") from error
    if not table.schema.equals(LEDGER_SCHEMA):
        raise ShardError(f"{path}: not the columns of this version. Run the same build again.")
    return table
