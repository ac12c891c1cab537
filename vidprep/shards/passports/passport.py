"""passport.parquet: which videos a shard set holds, in a small file that may be published.

It holds a row per annotated video and, in its head, what the set was made with; no frames, and no paths of a
machine. With two passports, two laboratories can see what they have in common: see `comparison`.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vidprep.errors import ShardError
from vidprep.files import write_whole
from vidprep.recipes.manifests import class_list_hash
from vidprep.recipes.recipe import Recipe
from vidprep.recipes.toml_models import Frozen
from vidprep.shards.manifest import SplitTotals
from vidprep.shards.passports.content_hash import HASH_BYTES

PASSPORT_SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("video_id", pa.string()),
        ("label", pa.int32()),
        ("status", pa.string()),  # used | missing | rejected
        ("reason", pa.string()),  # why it was rejected, a word of `ledger.REASONS`; else empty
        ("num_frames", pa.int32()),  # stored; 0 unless used
        ("mp4_crc32", pa.uint32()),  # of the stored bytes; null unless used
        ("content", pa.binary(HASH_BYTES)),  # see `content_hash`; null where nothing was decoded
    ]
)
_HEAD = b"vidprep.passport"
_SORT = ["split", "video_id", "label"]


class PassportHead(Frozen):
    """The head of a passport: facts about the whole set.

    Attributes:
        recipe: The resolved recipe.
        classes: Names in label order.
        tools: Versions of the tools that decided the bytes, by name; empty for a folder of raw videos.
        totals: The accounting of each split.
        expected: Published number of videos by split; empty if there is none.
        records_sha256: Hash of the annotation: split, id and label of each row.
        sha256: Hash of all rows.
    """

    format_version: int = 1
    recipe: Recipe
    classes: tuple[str, ...]
    tools: dict[str, str]
    totals: dict[str, SplitTotals]
    expected: dict[str, int]
    records_sha256: str
    sha256: str

    @property
    def class_list_hash(self) -> str:
        """Return the sha256 of the class names in label order."""
        return class_list_hash(self.classes)


@dataclass(frozen=True)
class Passport:
    """What may be published of a shard set, or of a folder of raw videos.

    Attributes:
        origin: Where it was read from, for messages.
        head: Facts about the whole set.
        rows: Rows of `PASSPORT_SCHEMA`, by split and id.
    """

    origin: str
    head: PassportHead
    rows: pd.DataFrame


def make_passport(
    origin: str,
    rows: pd.DataFrame,
    *,
    recipe: Recipe,
    classes: tuple[str, ...],
    tools: dict[str, str],
    totals: dict[str, SplitTotals],
    expected: dict[str, int],
) -> Passport:
    """Put a passport together.

    Args:
        origin: The set or folder, for messages.
        rows: A row per annotated video with the columns of `PASSPORT_SCHEMA`, in any order.
        recipe: The resolved recipe.
        classes: Names in label order.
        tools: Versions of the tools that decided the bytes, by name.
        totals: The accounting of each split.
        expected: Published number of videos by split.
    """
    table = pa.Table.from_pandas(
        rows.sort_values(_SORT, kind="stable"), schema=PASSPORT_SCHEMA, preserve_index=False
    )
    ordered = table.to_pandas(types_mapper={pa.uint32(): pd.UInt32Dtype()}.get)
    head = PassportHead(
        recipe=recipe,
        classes=classes,
        tools=tools,
        totals=totals,
        expected=expected,
        records_sha256=_hash_rows(ordered[_SORT]),
        sha256=_hash_rows(ordered),
    )
    return Passport(origin, head, ordered)


def write_passport(passport: Passport, path: Path) -> None:
    """Write a passport, all of it or nothing; equal passports make equal bytes.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    schema = PASSPORT_SCHEMA.with_metadata({_HEAD: passport.head.model_dump_json().encode()})
    table = pa.Table.from_pandas(passport.rows, schema=schema, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=12)
    write_whole(path, buffer.getvalue())


def read_passport(path: Path) -> Passport:
    """Read a passport and check it against its own hash.

    Raises:
        ShardError: If it is missing, is no passport, or does not fit its own hash.
    """
    if not path.is_file():
        raise ShardError(
            f"No shard set and no passport at {path}. Write a set's passport: vidprep passport DIR --out "
            f"{path.name}."
        )
    return parse_passport(path.read_bytes(), origin=str(path))


def parse_passport(data: bytes, *, origin: str) -> Passport:
    """Read a passport from the bytes of its file, and check it against its own hash.

    Args:
        data: Content of the file.
        origin: Where the bytes come from; an error message starts with it.

    Raises:
        ShardError: If they are no passport, or do not fit its own hash.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
        head = PassportHead.model_validate_json((table.schema.metadata or {})[_HEAD])
    except (ValueError, OSError, KeyError, pa.ArrowException) as error:
        raise ShardError(
            f"{origin} is no passport, or a damaged one ({_first_line(error)}). Fetch it again."
        ) from error
    if not table.schema.equals(PASSPORT_SCHEMA):
        raise ShardError(
            f"{origin}: a passport with other columns than this version knows ({table.schema.names})."
        )
    rows = table.to_pandas(types_mapper={pa.uint32(): pd.UInt32Dtype()}.get)
    if _hash_rows(rows) != head.sha256:
        raise ShardError(f"{origin}: its rows are not those that its own hash names. Fetch it again.")
    return Passport(origin, head, rows)


def _hash_rows(rows: pd.DataFrame) -> str:
    """Return the sha256 of rows as text, a line each; independent of how parquet stores them."""
    digest = hashlib.sha256()
    columns = [_as_text(rows[name]) for name in rows.columns]
    digest.update("\n".join(map("\t".join, zip(*columns, strict=True))).encode())
    return digest.hexdigest()


def _as_text(column: "pd.Series[Any]") -> list[str]:
    values = column.tolist()
    if column.name == "content":
        return ["" if value is None else value.hex() for value in values]
    if column.name == "mp4_crc32":
        return ["" if value is pd.NA else str(value) for value in values]
    return [json.dumps(value) if isinstance(value, str) else str(value) for value in values]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
