"""index.parquet: one row per sample, so that a reader needs no scan of the tars."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vidprep.errors import ShardError
from vidprep.shards.layout import INDEX, MEMBERS

# offset and size are bytes from the start of the tar to a member's data, and of that data.
INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),  # path inside the shard set
        ("position", pa.int32()),  # of the sample within its shard
        ("label", pa.int32()),
        ("class", pa.string()),
        ("video_id", pa.string()),
        ("num_frames", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("fps", pa.float64()),
        ("duration_seconds", pa.float64()),
        *((f"{member}_{what}", pa.int64()) for member in MEMBERS for what in ("offset", "size")),
        ("mp4_crc32", pa.uint32()),
    ]
)


def write_index(rows: list[dict[str, object]], path: Path) -> None:
    """Write index rows, in the given order; equal rows make equal bytes."""
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX_SCHEMA), path, compression="zstd")


def read_index(shards_dir: Path) -> pa.Table:
    """Read the index of a shard set.

    Returns:
        A table of `INDEX_SCHEMA`, ordered by split, shard and position.

    Raises:
        ShardError: If the file is missing or has other columns.
    """
    path = shards_dir / INDEX
    if not path.is_file():
        raise ShardError(f"{path} is missing: this is no finished shard set. Run the same build again.")
    return parse_index(path.read_bytes(), origin=str(path))


def parse_index(data: bytes, *, origin: str) -> pa.Table:
    """Read the index from the bytes of its file.

    Args:
        origin: Where the bytes come from; every error message starts with it.

    Raises:
        ShardError: If they are no index, or one with other columns.
    """
    try:
        # Arrow's threads over a Python buffer abort, now and then, a process that ends soon after
        # (apache/arrow#50482); one thread reads 240,000 rows in a quarter of a second.
        table = pq.read_table(pa.BufferReader(data), use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise ShardError(f"{origin} cannot be read: {error}. Run the same build again.") from error
    if not table.schema.equals(INDEX_SCHEMA):
        lacking = [name for name in INDEX_SCHEMA.names if name not in table.schema.names]
        raise ShardError(f"{origin}: not the columns of this version; lacking or of another type: {lacking}.")
    return table
