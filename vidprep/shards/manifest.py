"""manifest.json: written last, so its existence means that the shard set is complete."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from vidprep.errors import ShardError
from vidprep.links import inside
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.recipe import Recipe
from vidprep.recipes.toml_models import Frozen
from vidprep.shards.layout import (
    GENERATIONS,
    INDEX,
    LEDGER,
    MANIFEST,
    generation_file,
    is_shard_name,
)


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ShardEntry:
    """One tar of the set.

    Attributes:
        name: Path inside the shard set.
        num_samples: Samples in it; at least 1.
        size_bytes: Size of the tar.
        sha256: sha256 of the tar.
        md5: md5 of the tar, for readers that need it.
    """

    name: str
    split: str
    num_samples: int
    size_bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")


class SplitTotals(Frozen):
    """The accounting of one split, in videos: `used + missing + rejected = annotated`.

    Attributes:
        annotated: Videos in the annotation, of the set's classes.
        used: Videos that the shards hold.
        missing: Annotated videos for which no file was found.
        rejected: Annotated videos that could not be used; the ledger has the reasons.
        num_shards: Number of tars.
        size_bytes: Size of the tars together.
    """

    annotated: int
    used: int
    missing: int
    rejected: int
    num_shards: int
    size_bytes: int


class Extension(Frozen):
    """One extension of a set: how a generation after the first came about.

    Attributes:
        generation: Number of the generation, 2 or more.
        date: When it was begun, in UTC; the only kind of date in a shard set.
        why: What was added, as a sentence.
        retried: Reasons of rejection for which videos were tried again.
        vidprep: The version of vidprep that made it.
        num_added: Videos that are used since, by split.
        num_rejected: Videos that were tried, or found, and rejected, by split.
        shards: Names of the tars that were added.
        fingerprint_before: sha256 of the manifest of the generation before.
    """

    generation: int
    date: str
    why: str
    retried: tuple[str, ...]
    vidprep: str
    num_added: dict[str, int]
    num_rejected: dict[str, int]
    shards: tuple[str, ...]
    fingerprint_before: str


class Manifest(Frozen):
    """What a shard set is, what it was made from, and with what.

    Attributes:
        format_version: 2. Sets of format 1, without a passport, can be read, too.
        recipe: The resolved recipe, as it was when the set was built.
        limit: The most videos of each split, if the build was limited; else None.
        classes_sha256: Hash of the class names in label order.
        source_sha256: Hash of the annotated ids, labels, and the names and sizes of their files.
        tools: Versions of the tools that decide the bytes, by name.
        shards: Every tar, in order.
        totals: The accounting of each split.
        index_sha256: Hash of index.parquet.
        ledger_sha256: Hash of ledger.parquet.
        passport_sha256: Hash of passport.parquet; None in sets of format 1, which have no passport.
        generation: 1, and one more for each extension.
        history: The extensions, oldest first.
    """

    format_version: Literal[1, 2] = 2
    recipe: Recipe
    limit: int | None = None
    classes_sha256: str
    source_sha256: str
    tools: dict[str, str]
    shards: tuple[ShardEntry, ...]
    totals: dict[str, SplitTotals]
    index_sha256: str
    ledger_sha256: str
    passport_sha256: str | None = None
    generation: int = 1
    history: tuple[Extension, ...] = ()


def format_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of manifest.json; without the keys of generations if the set was never extended."""
    leave_out = None if manifest.history else {"generation", "history"}
    return manifest.model_dump_json(indent=1, exclude=leave_out).encode()


def read_manifest(shards_dir: Path, generation: int | None = None) -> Manifest:
    """Read the manifest of a finished shard set.

    Args:
        shards_dir: The set.
        generation: The generation to read it of; None: the newest.

    Raises:
        ShardError: If the folder is missing, the build has not finished, the file is damaged, or there is no
            such generation.
    """
    newest = _read_newest(shards_dir)
    if generation in (None, newest.generation):
        return newest
    path = inside(shards_dir, generation_file(generation, MANIFEST))
    if generation > newest.generation or not path.is_file():
        raise no_such_generation(str(shards_dir), newest, generation)
    return parse_manifest(path.read_bytes(), origin=str(path))


def no_such_generation(root: str, newest: Manifest, generation: int) -> ShardError:
    """Return the error for a generation that a set does not have."""
    known = "only 1: it was never extended" if newest.generation == 1 else f"1 to {newest.generation}"
    return ShardError(f"{root} has no generation {generation}; it has {known}.")


def find_file(shards_dir: Path, name: str, generation: int | None = None) -> Path:
    """Return the path of the index or ledger of a generation; None: of the newest one.

    While an extension is put in place, the files beside the manifest may be newer than it.

    Raises:
        ShardError: As `read_manifest`.
    """
    if generation is None and not (shards_dir / GENERATIONS).is_dir():
        return inside(shards_dir, name)
    number = read_manifest(shards_dir, generation).generation
    kept = inside(shards_dir, generation_file(number, name))
    return kept if kept.is_file() else inside(shards_dir, name)


def read_named(
    shards_dir: Path, name: str, generation: int | None = None, *, checked: bool = True
) -> bytes | None:
    """Return the bytes of the index or ledger of a generation.

    Args:
        shards_dir: The set.
        name: Name of the file.
        generation: The generation to read it of; None: the newest.
        checked: Whether to refuse bytes that do not fit the manifest's hash.

    Returns:
        The bytes; None if there is no such file.

    Raises:
        ShardError: If it is not the one that the manifest names, and as `read_manifest`.
    """
    manifest = read_manifest(shards_dir, generation) if (shards_dir / MANIFEST).is_file() else None
    path = find_file(shards_dir, name, manifest.generation if manifest else generation)
    if not path.is_file():
        return None
    data = path.read_bytes()
    if manifest is not None and checked:
        expected = {INDEX: manifest.index_sha256, LEDGER: manifest.ledger_sha256}[name]
        if expected not in ("", hashlib.sha256(data).hexdigest()):
            raise ShardError(
                f"{path} is not the one of {MANIFEST}: it is stale or damaged. Run the same build again."
            )
    return data


def _read_newest(shards_dir: Path) -> Manifest:
    path = inside(shards_dir, MANIFEST)
    if not path.is_file():
        raise no_set(shards_dir)
    return parse_manifest(path.read_bytes(), origin=str(path))


def no_set(shards_dir: Path) -> ShardError:
    """Return the error for a path without a finished shard set: it says why, and what to do."""
    if ":/" in str(shards_dir):  # as a path, a URL has lost a slash
        return ShardError(
            f"{str(shards_dir).replace(':/', '://', 1)} is a URL, and this command takes a folder. Copy the "
            "set first: vidprep pull URL DIR."
        )
    if not shards_dir.exists():
        return ShardError(f"No folder {shards_dir}. Build a shard set first: vidprep build --help.")
    if not shards_dir.is_dir():
        return ShardError(f"{shards_dir} is a file; a shard set is a folder, with {MANIFEST} in it.")
    return ShardError(
        f"No shard set at {shards_dir}: {MANIFEST} is missing, which is written when a build ends. `vidprep "
        f"status {shards_dir}` tells of a build, and running the same build again finishes it; of a set that "
        f"was copied, copy {MANIFEST}, too; tars made by others are read after `vidprep index {shards_dir}`."
    )


def parse_manifest(data: bytes, *, origin: str) -> Manifest:
    """Read a manifest from the bytes of its file.

    Args:
        origin: Where the bytes come from; an error message starts with it.

    Raises:
        ShardError: If they are no manifest, or contradict themselves.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ShardError(
            f"{origin} is damaged: {error.error_count()} problems, the first: {error.errors()[0]['msg']}."
        ) from error
    for entry in manifest.shards:
        if not is_shard_name(entry.name) or entry.name.split("/")[:-1] != [entry.split]:
            raise ShardError(
                f"{origin} names the shard {entry.name!r} of split {entry.split!r}: a shard is "
                "<split>/<name>.tar below the set's folder. Copy the set again from its source."
            )
    if missing := set(SPLITS) - manifest.totals.keys():
        raise ShardError(f"{origin} is damaged: no totals of {', '.join(sorted(missing))}.")
    for split, total in manifest.totals.items():
        if total.used + total.missing + total.rejected != total.annotated:
            raise ShardError(
                f"{origin} is damaged: {total.used:,} used + {total.missing:,} missing + {total.rejected:,} "
                f"rejected of {split} are not the {total.annotated:,} annotated. Copy the set again."
            )
    if [one.generation for one in manifest.history] != list(range(2, manifest.generation + 1)):
        raise ShardError(
            f"{origin} is damaged: its history does not lead to generation {manifest.generation}."
        )
    return manifest


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
