"""manifest.json: written last, so its existence means that the shard set is complete."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from vidprep.errors import ShardError
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.recipe import Recipe
from vidprep.recipes.toml_models import Frozen
from vidprep.shards.layout import MANIFEST, is_shard_name


class ShardEntry(Frozen):
    """One tar of the set.

    Attributes:
        name: Path inside the shard set.
        num_samples: Samples in it; at least 1.
        size_bytes: Of the tar.
        sha256: Of the tar.
        md5: Of the tar, for readers that want that one.
    """

    name: str
    split: str
    num_samples: int
    size_bytes: int
    sha256: str
    md5: str


class SplitTotals(Frozen):
    """The accounting of one split: `used + missing + rejected = annotated`."""

    annotated: int
    used: int
    missing: int
    rejected: int
    num_shards: int
    size_bytes: int


class Manifest(Frozen):
    """What a shard set is, what it was made from, and with what.

    Attributes:
        recipe: Resolved, as it was when the set was built.
        limit: Videos of each split at most, if the set is a sample; else None.
        classes_sha256: Hash of the class names in label order.
        source_sha256: Hash of the annotated ids, labels, and the names and sizes of their files.
        tools: Versions that decide the bytes.
        shards: Every tar, in order.
        totals: Per split.
        index_sha256: Hash of index.parquet.
        ledger_sha256: Hash of ledger.parquet.
    """

    format_version: int = 1
    recipe: Recipe
    limit: int | None = None
    classes_sha256: str
    source_sha256: str
    tools: dict[str, str]
    shards: tuple[ShardEntry, ...]
    totals: dict[str, SplitTotals]
    index_sha256: str
    ledger_sha256: str


def read_manifest(shards_dir: Path) -> Manifest:
    """Read the manifest of a finished shard set.

    Raises:
        ShardError: If the folder is missing, the build has not finished, or the file is damaged.
    """
    path = shards_dir / MANIFEST
    if not shards_dir.is_dir():
        raise ShardError(f"No folder {shards_dir}. Build a shard set first: vidprep build --help.")
    if not path.is_file():
        raise ShardError(
            f"{path} is missing: it is written when a build ends. See `vidprep status {shards_dir}`; "
            "running the same build again finishes it."
        )
    return parse_manifest(path.read_bytes(), origin=str(path))


def parse_manifest(data: bytes, *, origin: str) -> Manifest:
    """Read a manifest from the bytes of its file.

    Args:
        origin: Where the bytes come from; an error message starts with it.

    Raises:
        ShardError: If they are no manifest.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ShardError(
            f"{origin} is damaged: {error.error_count()} problems, the first: {error.errors()[0]['msg']}."
        ) from error
    for entry in manifest.shards:
        if not is_shard_name(entry.name) or not entry.name.startswith(f"{entry.split}/"):
            raise ShardError(
                f"{origin} names the shard {entry.name!r} of split {entry.split!r}: a shard is "
                "<split>/<name>.tar below the set's folder. Copy the set again from its source."
            )
    if missing := set(SPLITS) - manifest.totals.keys():
        raise ShardError(f"{origin} is damaged: no totals of {', '.join(sorted(missing))}.")
    return manifest


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
