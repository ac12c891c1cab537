"""Open a shard set for reading, on a disk or in an object store, without touching a single tar."""

import hashlib
import json
import posixpath
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vidprep.errors import ShardError
from vidprep.recipes.manifests import class_list_hash
from vidprep.shards.index import parse_index
from vidprep.shards.layout import CLASSES, INDEX, LEDGER, MANIFEST, PASSPORT, generation_file
from vidprep.shards.manifest import Manifest, ShardEntry, no_set, no_such_generation, parse_manifest
from vidprep.shards.stored_video import StoredVideo

_AGAIN = "Copy the whole shard set again, or run the same build again."


@dataclass(frozen=True)
class ShardSet:
    """A finished shard set, or third-party tars that `vidprep index` has looked through.

    Attributes:
        root: A folder, or a URL such as `s3://bucket/mini_k400`; without a slash at the end.
        manifest: None for tars that were not built here.
        fingerprint: sha256 of the manifest, or else of the index: a run resumes on the same set only.
        index: A row per sample, see `INDEX_SCHEMA`.
    """

    root: str
    manifest: Manifest | None
    fingerprint: str
    index: pa.Table

    @classmethod
    def open(cls, root: str | Path, *, generation: int | None = None) -> Self:
        """Open a shard set.

        Args:
            root: Its folder or URL.
            generation: Which generation to show, without later extensions; None: the newest.

        Raises:
            ShardError: If there is none, if it is not finished, if its index belongs to another build, or if
                it has no such generation.
        """
        root = str(root).rstrip("/")
        found = _read_manifest(root, generation)
        if found is None:
            index = _read_optional(root, INDEX)
            if index is None:
                raise _no_set(root, MANIFEST)
            table = parse_index(index, origin=f"{root}/{INDEX}")
            return cls(root, None, hashlib.sha256(index).hexdigest(), table)
        manifest, fingerprint = found
        table = parse_index(_read_index(root, manifest), origin=f"{root}/{INDEX}")
        _check_fits(table, manifest, origin=f"{root}/{INDEX}")
        return cls(root, manifest, fingerprint, table)

    @property
    def generation(self) -> int:
        """Number of the set's generation: 1, and one more for each time that it was extended."""
        return self.manifest.generation if self.manifest else 1

    def generation_of(self, fingerprint: str) -> int | None:
        """Return which generation of this set, up to the open one, has a fingerprint; None: none has it."""
        if fingerprint == self.fingerprint:
            return self.generation
        history = self.manifest.history if self.manifest else ()
        return next((one.generation - 1 for one in history if one.fingerprint_before == fingerprint), None)

    def describe_other(self, fingerprint: str) -> str:
        """Say, for a message, which other shards a fingerprint is of, and how to read them."""
        before = self.generation_of(fingerprint)
        if before is None:
            return f"other shards than {self.root} holds now"
        return (
            f"generation {before} of {self.root}, and this is generation {self.generation}, with more videos "
            f"in another order: read the set as it was with --generation {before} (generation={before})"
        )

    @property
    def is_local(self) -> bool:
        """Whether the shards lie on a disk of this machine, rather than behind a URL."""
        return "://" not in self.root

    @cached_property
    def classes(self) -> dict[str, int]:
        """Label of each class; in third-party tars, of each that has a sample."""
        if (data := _read_optional(self.root, CLASSES)) is not None:
            classes = _parse_classes(data, origin=f"{self.root}/{CLASSES}")
        else:
            pairs = self.index.select(["class", "label"]).group_by(["class", "label"]).aggregate([])
            classes = dict(zip(pairs["class"].to_pylist(), pairs["label"].to_pylist(), strict=True))
        expected = self.manifest.classes_sha256 if self.manifest else ""
        if expected not in ("", class_list_hash(sorted(classes, key=classes.__getitem__))):
            what = "is missing" if data is None else "is damaged: its classes are not those of the manifest"
            raise ShardError(f"{self.root}/{CLASSES} {what}. {_AGAIN}")
        return classes

    def split(self, name: str) -> "Split":
        """Return the samples of one split.

        Raises:
            ShardError: If there is no such split.
        """
        known = pc.unique(self.index["split"]).to_pylist()
        if name not in known:
            raise ShardError(f"{self.root} has no split '{name}'. It has: {', '.join(known)}.")
        return Split(name, self.index.filter(pc.equal(self.index["split"], name)).combine_chunks())

    def read_file(self, name: str) -> bytes | None:
        """Return the bytes of a file that lies beside the manifest, or None if it is not there.

        Raises:
            ShardError: If it is there and cannot be read.
        """
        return _read_optional(self.root, name)

    def read_named(self, name: str) -> bytes | None:
        """Return the ledger or the passport that the manifest names, or None where there is none.

        While an extension is put in place, the file beside the manifest may be newer than it.

        Raises:
            ShardError: If it is another one.
        """
        manifest = self.manifest
        hashes = {LEDGER: manifest.ledger_sha256, PASSPORT: manifest.passport_sha256} if manifest else {}
        sha256 = hashes.get(name)
        if manifest is None or sha256 is None:
            return None
        return _read_named(self.root, name, sha256, manifest.generation)

    def check_shards(self, split: str) -> None:
        """Compare the sizes of a split's local tars with the manifest; a look at each, no reading.

        Raises:
            ShardError: If a tar is missing or has another size; the message names it and its first sample.
        """
        if self.manifest is None or not self.is_local:
            return
        for entry in self.manifest.shards:
            if entry.split == split:
                self._check_shard(entry)

    def _check_shard(self, entry: ShardEntry) -> None:
        path = Path(self.root, entry.name)
        found = path.stat().st_size if path.is_file() else None
        if found == entry.size_bytes:
            return
        key = self.index["key"][pc.index(self.index["shard"], entry.name).as_py()].as_py()
        what = "is missing" if found is None else f"has {found} bytes, the manifest says {entry.size_bytes}"
        raise ShardError(
            f"{path} {what}; its first sample is {key}. "
            "Copy it again, or run the same build again; finished shards are kept."
        )


def _parse_classes(data: bytes, *, origin: str) -> dict[str, int]:
    try:
        classes = {str(entry["class"]): int(entry["label"]) for entry in json.loads(data)}
    except (ValueError, TypeError, KeyError) as error:
        raise ShardError(f"{origin} is damaged ({error}). {_AGAIN}") from error
    if sorted(classes.values()) != list(range(len(classes))):
        raise ShardError(f"{origin}: labels are not 0 to {len(classes) - 1}, each once. {_AGAIN}")
    return classes


def _check_fits(table: pa.Table, manifest: Manifest, *, origin: str) -> None:
    """Refuse an index of other samples than the manifest counts, or that lie beyond the tars it lists."""
    for split, total in manifest.totals.items():
        num_rows = pc.sum(pc.equal(table["split"], split)).as_py() or 0
        if num_rows != total.used:
            raise ShardError(
                f"{origin} has {num_rows:,} samples of {split}, the manifest says {total.used:,}. {_AGAIN}"
            )
    sizes = {entry.name: entry.size_bytes for entry in manifest.shards}
    ends = pa.table({"shard": table["shard"], "end": pc.add(table["mp4_offset"], table["mp4_size"])})
    for row in ends.group_by("shard").aggregate([("end", "max")]).to_pylist():
        if row["shard"] not in sizes:
            raise ShardError(
                f"{origin} names {row['shard']}, which the manifest does not list. Copy the set again."
            )
        if row["end_max"] > sizes[row["shard"]]:
            raise ShardError(
                f"{origin}: a video of {row['shard']} ends at byte {row['end_max']:,}, the tar has "
                f"{sizes[row['shard']]:,}. {_AGAIN}"
            )


@dataclass(frozen=True)
class Split:
    """The samples of one split, by row; rows lie shard by shard."""

    name: str
    index: pa.Table

    def __len__(self) -> int:
        return int(self.index.num_rows)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each row."""
        return self._ints("label")

    @cached_property
    def fps(self) -> npt.NDArray[np.float64]:
        """Frame rate of each row's stored video; 0 where it is not known."""
        rates: npt.NDArray[np.float64] = self.index["fps"].to_numpy()
        return rates

    @cached_property
    def shard_sizes(self) -> list[int]:
        """Samples of each shard, in the order of the rows."""
        shards = self.index["shard"].combine_chunks().dictionary_encode().indices.to_numpy()
        starts = np.flatnonzero(np.diff(shards, prepend=-1))
        sizes: list[int] = np.diff(np.append(starts, len(shards))).tolist()
        return sizes

    @cached_property
    def frame_sizes(self) -> list[tuple[int, int]]:
        """Each (width, height) that occurs."""
        pairs = np.stack([self._ints("width"), self._ints("height")], axis=1)
        return [(int(width), int(height)) for width, height in np.unique(pairs, axis=0)]

    def video(self, row: int) -> StoredVideo:
        """Return where the video of a row is stored."""
        key, shard = self._texts
        return StoredVideo(
            key[row].as_py(), shard[row].as_py(), *(int(column[row]) for column in self._numbers)
        )

    @cached_property
    def _texts(self) -> tuple[pa.Array, pa.Array]:
        return self.index["key"].combine_chunks(), self.index["shard"].combine_chunks()

    @cached_property
    def _numbers(self) -> list[npt.NDArray[np.int64]]:
        names = ("mp4_offset", "mp4_size", "mp4_crc32", "num_frames", "width", "height")
        return [self._ints(name) for name in names]

    def _ints(self, name: str) -> npt.NDArray[np.int64]:
        column: npt.NDArray[np.int64] = self.index[name].to_numpy().astype(np.int64)
        return column


def _read_manifest(root: str, generation: int | None) -> tuple[Manifest, str] | None:
    """Return a manifest with its sha256, or None where there is none."""
    data = _read_optional(root, MANIFEST)
    if data is None:
        if generation not in (None, 1):
            raise ShardError(f"{root} has no generation {generation}: it has no {MANIFEST}.")
        return None
    manifest = parse_manifest(data, origin=f"{root}/{MANIFEST}")
    if generation not in (None, manifest.generation):
        name = generation_file(generation, MANIFEST)
        data = _read_optional(root, name) if generation < manifest.generation else None
        if data is None:
            raise no_such_generation(root, manifest, generation)
        manifest = parse_manifest(data, origin=f"{root}/{name}")
    return manifest, hashlib.sha256(data).hexdigest()


def _read_index(root: str, manifest: Manifest) -> bytes:
    index = _read_named(root, INDEX, manifest.index_sha256, manifest.generation)
    if index is None:
        raise _no_set(root, INDEX)
    return index


def _no_set(root: str, name: str) -> ShardError:
    if name == MANIFEST and "://" not in root:
        return no_set(Path(root))
    what = f"No shard set at {root}: {name} is missing"
    if name == MANIFEST:
        return ShardError(f"{what}. Is the address right? It is written last, when a build or a push ends.")
    return ShardError(f"{what}. {_AGAIN}")


def _read_named(root: str, name: str, sha256: str, generation: int) -> bytes | None:
    """Return the file that a manifest names: the one beside it, or the one kept with its generation.

    Returns:
        None if there is none beside it.
    """
    beside = _read_optional(root, name)
    if beside is None or hashlib.sha256(beside).hexdigest() == sha256:
        return beside
    kept = _read_optional(root, generation_file(generation, name))
    if kept is not None and hashlib.sha256(kept).hexdigest() == sha256:
        return kept
    raise ShardError(f"{root}/{name} is not the one of {MANIFEST}: it is stale or damaged. {_AGAIN}")


def _read_optional(root: str, name: str) -> bytes | None:
    """Return a file of the set, or None if it is not there."""
    try:
        if "://" not in root:
            return Path(root, name).read_bytes()
        filesystem, path = fsspec.core.url_to_fs(posixpath.join(root, name))
        content: bytes = filesystem.cat_file(path)
        return content
    except (FileNotFoundError, NotADirectoryError) as error:
        # fsspec keeps the error in a frame of its own traceback: a circle, which would keep all callers'
        # objects (a loader and its workers) until the next garbage collection.
        error.__traceback__ = None
        return None
    except Exception as error:  # each store has an error tree of its own
        raise ShardError(f"{root}/{name} cannot be read: {error}.") from error
