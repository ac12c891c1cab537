"""index.parquet: one row per sample, so that a reader needs no scan of the tars."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vidprep.errors import ShardError
from vidprep.shards.columns.columns import NAMES, NEEDED, Columns
from vidprep.shards.layout import INDEX, MEMBERS, is_shard_name
from vidprep.shards.manifest import read_named

# For each member (cls, json, mp4), `_offset` is the place of its first byte in the tar, `_size` its bytes.
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
# A label of -1 means none. No tar reaches a terabyte.
_RANGES = {
    "label": (-1, 2**31 - 1),
    "position": (0, 2**31 - 1),
    "num_frames": (1, 2**31 - 1),
    "width": (1, 2**16),
    "height": (1, 2**16),
    **{f"{member}_{what}": (0, 2**40 - 1) for member in MEMBERS for what in ("offset", "size")},
}
# Columns of further labels of a sample, after the ones that every index has.
_FURTHER = re.compile(r"(class|label)_[a-z0-9_]+")
_REMEDY = "Copy the whole shard set again, or build it again."


def write_index(rows: list[dict[str, object]], path: Path, *, checksums: bool = False) -> None:
    """Write index rows, in the given order; equal rows make equal bytes.

    Args:
        rows: Rows of the index.
        path: The file.
        checksums: Whether each page gets a checksum: for sets without a manifest, which has one of the whole
            file.
    """
    further = [name for name in (rows[0] if rows else {}) if name not in INDEX_SCHEMA.names]
    schema = pa.schema([*INDEX_SCHEMA, *(_further_field(name) for name in further)])
    pq.write_table(
        pa.Table.from_pylist(rows, schema=schema), path, compression="zstd", write_page_checksum=checksums
    )


def _further_field(name: str) -> pa.Field:
    return pa.field(name, pa.int32() if name.startswith("label_") else pa.string())


def _is_index_schema(schema: pa.Schema) -> bool:
    further = list(schema)[len(INDEX_SCHEMA) :]
    known = pa.schema(list(schema)[: len(INDEX_SCHEMA)]).equals(INDEX_SCHEMA)
    return known and all(
        _FURTHER.fullmatch(each.name) and each.equals(_further_field(each.name)) for each in further
    )


def read_index(shards_dir: Path, generation: int | None = None, *, checked: bool = True) -> pa.Table:
    """Read the index of a shard set.

    Args:
        shards_dir: The set.
        generation: The generation to read it of; None: the newest.
        checked: Whether to refuse bytes that do not fit the manifest's hash.

    Returns:
        A table of `INDEX_SCHEMA`, ordered by split, shard and position.

    Raises:
        ShardError: If the file is missing, is not the one that the manifest names, or has other columns.
    """
    path = shards_dir / INDEX
    data = read_named(shards_dir, INDEX, generation, checked=checked)
    if data is None:
        raise ShardError(f"{path} is missing: this is no finished shard set. Run the same build again.")
    return parse_index(data, origin=str(path))


def parse_index(data: bytes, *, origin: str) -> pa.Table:
    """Read the index from the bytes of its file.

    Args:
        origin: Where the bytes come from; every error message starts with it.

    Raises:
        ShardError: If they are no index, or one with other columns.
    """
    try:
        table = _open_parquet(data).read(use_threads=False)
    except (ValueError, OSError, pa.ArrowException) as error:  # ValueError: bytes that are no UTF-8
        raise _unreadable(origin, error) from error
    _check_schema(table.schema, origin)
    check_index(table, origin=origin)
    return table


def read_parts(data: bytes, *, origin: str) -> Iterator[Columns]:
    """Yield what a loader needs of an index, some rows at a time: 14 of 20 columns are never unpacked.

    Raises:
        ShardError: As `parse_index`, for the columns that are read.
    """
    try:
        _check_schema(_open_parquet(data).schema_arrow, origin)
        file = _open_parquet(data, read_dictionary=list(NAMES))
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=list(NEEDED), use_threads=False)
            check_index(table, origin=origin)
            yield Columns.of_table(table)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise _unreadable(origin, error) from error
    pa.default_memory_pool().release_unused()


def read_columns(data: bytes, *, origin: str) -> Columns:
    """Return what a loader needs of an index.

    Raises:
        ShardError: As `parse_index`, for the columns that are read.
    """
    try:
        _check_schema(_open_parquet(data).schema_arrow, origin)
        file = _open_parquet(data, read_dictionary=list(NAMES))
        table = file.read(columns=list(NEEDED), use_threads=False)
        check_index(table, origin=origin)
        return Columns.of_table(table)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise _unreadable(origin, error) from error


def _open_parquet(data: bytes, **options: list[str]) -> pq.ParquetFile:
    # Arrow's threads over a Python buffer abort, now and then, a process that ends soon after
    # (apache/arrow#50482). One thread reads 240,000 rows in a third of a second.
    return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False, page_checksum_verification=True, **options)


def _unreadable(origin: str, error: Exception) -> ShardError:
    return ShardError(f"{origin} cannot be read: {error}. Run the same build again.")


def _check_schema(schema: pa.Schema, origin: str) -> None:
    if not _is_index_schema(schema):
        lacking = [name for name in INDEX_SCHEMA.names if name not in schema.names]
        raise ShardError(f"{origin}: not the columns of this version; lacking or of another type: {lacking}.")


def check_index(table: pa.Table, *, origin: str) -> None:
    """Refuse an index that names what cannot be: files from elsewhere would be read, or a loader would break.

    Raises:
        ShardError: If a value is missing or out of range; the message names it and its row.
    """
    for name in table.schema.names:
        if table[name].null_count:
            row = pc.index(pc.is_null(table[name]), True).as_py()
            raise ShardError(f"{origin}: row {row} has no {name}. {_REMEDY}")
    for name in pc.unique(table["shard"]).to_pylist():
        if not is_shard_name(name):
            raise ShardError(
                f"{origin} names the shard {name!r}, which is no tar below the set's folder. {_REMEDY}"
            )
    for name, (low, high) in _RANGES.items():
        if name not in table.schema.names or _is_within(table[name], low, high):
            continue
        wrong = pc.invert(pc.and_(pc.greater_equal(table[name], low), pc.less_equal(table[name], high)))
        row = pc.index(wrong, True).as_py()
        key, value = table["key"][row].as_py(), table[name][row].as_py()
        raise ShardError(f"{origin}: {key} has {name} {value}, not from {low:,} to {high:,}. {_REMEDY}")


def _is_within(column: pa.ChunkedArray, low: int, high: int) -> bool:
    # Comparing with a number of Python's would import pandas: half a second, where most sets have no flaw.
    found = pc.min_max(column).as_py()
    return found["min"] is None or (found["min"] >= low and found["max"] <= high)
