"""Open a shard set for reading, on a disk or in an object store, without touching a single tar."""

import hashlib
import json
import os
import stat
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vidprep.errors import ShardError
from vidprep.links import inside, plain_root
from vidprep.recipes.manifests import class_list_hash
from vidprep.shards.columns.columns import Columns
from vidprep.shards.columns.opening import set_columns, third_party_columns
from vidprep.shards.columns.set_files import (
    AGAIN,
    is_local,
    read_index_bytes,
    read_named,
    read_optional,
    read_set_manifest,
)
from vidprep.shards.index import parse_index
from vidprep.shards.layout import CLASSES, INDEX, LEDGER, PASSPORT
from vidprep.shards.manifest import Manifest, ShardEntry
from vidprep.shards.stored_video import StoredVideo


@dataclass(frozen=True)
class ShardSet:
    """A finished shard set, or third-party tars with the index of `vidprep index`.

    Attributes:
        root: A folder, or a URL such as `s3://bucket/mini_k400`; without a slash at the end.
        manifest: The set's manifest; None for third-party tars.
        fingerprint: sha256 of the manifest or, if there is none, of the index. A training run resumes only on
            a set with the same fingerprint.
        columns: The columns of the index that loaders need. For more than a million samples, the processes of
            a machine share them in memory.
    """

    root: str
    manifest: Manifest | None
    fingerprint: str
    columns: Columns

    @classmethod
    def open(cls, root: str | Path, *, generation: int | None = None) -> Self:
        """Open a shard set.

        Args:
            root: Its folder or URL.
            generation: The generation to open, without later extensions; None: the newest.

        Raises:
            ShardError: If there is no set, or an unfinished one, if its index belongs to another build, if it
                has no such generation, or if one of its files is a link that leads out of its folder.
        """
        root = plain_root(root)
        found = read_set_manifest(root, generation)
        if found is None:
            return cls(root, None, *third_party_columns(root))
        manifest, fingerprint = found
        columns = set_columns(root, manifest)
        _check_fits(columns, manifest, origin=f"{root}/{INDEX}")
        opened = cls(root, manifest, fingerprint, columns)
        opened._check_labels()
        return opened

    @cached_property
    def index(self) -> pa.Table:
        """The whole index, a row per sample, see `vidprep.shards.index.INDEX_SCHEMA`; read on first use.

        Raises:
            ShardError: If the file has changed since the set was opened.
        """
        if self.manifest:
            return parse_index(read_index_bytes(self.root, self.manifest), origin=f"{self.root}/{INDEX}")
        data = read_optional(self.root, INDEX)
        if data is None or hashlib.sha256(data).hexdigest() != self.fingerprint:
            raise ShardError(f"{self.root}/{INDEX} was changed since the set was opened. Open it again.")
        return parse_index(data, origin=f"{self.root}/{INDEX}")

    def with_index(self, table: pa.Table) -> Self:
        """Return the same set with another selection or order of rows, all of samples that it holds."""
        made = replace(self, columns=Columns.of_table(table))
        made.__dict__["index"] = table  # as if it had been read
        return made

    @property
    def generation(self) -> int:
        """Number of the generation: 1 for a set that was never extended, one more for each extension."""
        return self.manifest.generation if self.manifest else 1

    def generation_of(self, fingerprint: str) -> int | None:
        """Return the generation, up to the open one, that has this fingerprint; None if there is none."""
        if fingerprint == self.fingerprint:
            return self.generation
        history = self.manifest.history if self.manifest else ()
        return next((one.generation - 1 for one in history if one.fingerprint_before == fingerprint), None)

    def describe_other(self, fingerprint: str) -> str:
        """Say, for a message, which shards another fingerprint belongs to, and how to read them."""
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
        return is_local(self.root)

    @cached_property
    def classes(self) -> dict[str, int]:
        """The label of each class name; for third-party tars, of each class that has a sample."""
        if (data := read_optional(self.root, CLASSES)) is not None:
            classes = _parse_classes(data, origin=f"{self.root}/{CLASSES}")
        else:
            pairs = self.index.select(["class", "label"]).group_by(["class", "label"]).aggregate([])
            classes = dict(zip(pairs["class"].to_pylist(), pairs["label"].to_pylist(), strict=True))
        expected = self.manifest.classes_sha256 if self.manifest else ""
        if expected not in ("", class_list_hash(sorted(classes, key=classes.__getitem__))):
            what = "is missing" if data is None else "is damaged: its classes are not those of the manifest"
            raise ShardError(f"{self.root}/{CLASSES} {what}. {AGAIN}")
        return classes

    def _check_labels(self) -> None:
        """Refuse an index with labels that the class list of the manifest does not have."""
        if not self.manifest or not self.manifest.classes_sha256 or not len(self.columns):
            return
        try:
            num_classes = len(self.classes)
        except ShardError:  # raised again when `classes` is used
            return
        label = int(self.columns.arrays["label"].max())
        if label >= num_classes:
            known = f"the labels 0 to {num_classes - 1}"
            raise ShardError(f"{self.root}/{INDEX} has the label {label}, {CLASSES} has {known}. {AGAIN}")

    def split(self, name: str) -> "Split":
        """Return the samples of one split.

        Raises:
            ShardError: If there is no such split.
        """
        known = self.columns.names["split"]
        if name not in known:
            raise ShardError(f"{self.root} has no split '{name}'. It has: {', '.join(known)}.")
        try:
            return Split(name, self.columns.span(*self.columns.span_of_split(name)), self)
        except ValueError:  # other splits' rows between its own
            return Split(name, Columns.of_table(_rows_of_split(self, name)), self)

    def read_file(self, name: str) -> bytes | None:
        """Return the bytes of a file beside the manifest; None if it does not exist.

        Raises:
            ShardError: If it exists and cannot be read.
        """
        return read_optional(self.root, name)

    def read_named(self, name: str) -> bytes | None:
        """Return the bytes of the ledger or the passport that the manifest names; None if there is none.

        While an extension is put in place, the file beside the manifest may be newer than it.

        Raises:
            ShardError: If it has other bytes than the manifest names.
        """
        manifest = self.manifest
        hashes = {LEDGER: manifest.ledger_sha256, PASSPORT: manifest.passport_sha256} if manifest else {}
        sha256 = hashes.get(name)
        if manifest is None or sha256 is None:
            return None
        return read_named(self.root, name, sha256, manifest.generation)

    def check_shards(self, split: str) -> None:
        """Compare the sizes of a split's local tars with the manifest; no tar is read.

        Raises:
            ShardError: If a tar is missing or has another size; the message names it and its first sample.
        """
        if self.manifest is None or not self.is_local:
            return
        # Without links, a file lies where its path says; resolving the path would take 40 us.
        quick = not Path(self.root, split).is_symlink()
        for entry in self.manifest.shards:
            if entry.split == split and not (quick and _is_plain_file(f"{self.root}/{entry.name}", entry)):
                self._check_shard(entry)

    def _check_shard(self, entry: ShardEntry) -> None:
        path = inside(self.root, entry.name)
        found = path.stat().st_size if path.is_file() else None
        if found == entry.size_bytes:
            return
        key = self.columns.first_key(entry.name)
        what = "is missing" if found is None else f"has {found} bytes, the manifest says {entry.size_bytes}"
        raise ShardError(
            f"{path} {what}; its first sample is {key}. "
            "Copy it again, or run the same build again; finished shards are kept."
        )


def _is_plain_file(path: str, entry: ShardEntry) -> bool:
    """Tell whether a path is a file, not a link, of the size that the manifest says."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == entry.size_bytes


def _parse_classes(data: bytes, *, origin: str) -> dict[str, int]:
    try:
        classes = {str(entry["class"]): int(entry["label"]) for entry in json.loads(data)}
    except (ValueError, TypeError, KeyError) as error:
        raise ShardError(f"{origin} is damaged ({error}). {AGAIN}") from error
    if sorted(classes.values()) != list(range(len(classes))):
        raise ShardError(f"{origin}: labels are not 0 to {len(classes) - 1}, each once. {AGAIN}")
    return classes


def _check_fits(columns: Columns, manifest: Manifest, *, origin: str) -> None:
    """Refuse an index whose samples are not as many as the manifest says, or lie outside of its tars."""
    num_rows = columns.counts_of_splits()
    for split, total in manifest.totals.items():
        if num_rows.get(split, 0) != total.used:
            raise ShardError(
                f"{origin} has {num_rows.get(split, 0):,} samples of {split}, the manifest says "
                f"{total.used:,}. {AGAIN}"
            )
    sizes = {entry.name: entry.size_bytes for entry in manifest.shards}
    for shard, end in columns.ends_of_shards().items():
        if shard not in sizes:
            raise ShardError(f"{origin} names {shard}, which the manifest does not list. Copy the set again.")
        if end > sizes[shard]:
            raise ShardError(
                f"{origin}: a video of {shard} ends at byte {end:,}, the tar has {sizes[shard]:,}. {AGAIN}"
            )


@dataclass(frozen=True)
class Split:
    """The samples of one split, addressed by row; rows are ordered by shard.

    Attributes:
        name: Name of the split.
        columns: The columns of the index that loaders need, for these samples.
        shards: The set that the samples belong to.
    """

    name: str
    columns: Columns
    shards: ShardSet

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def index(self) -> pa.Table:
        """The split's rows of the whole index, see `vidprep.shards.index.INDEX_SCHEMA`."""
        return _rows_of_split(self.shards, self.name)

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Label of each row; -1 for none."""
        return self.columns.arrays["label"]

    @property
    def fps(self) -> npt.NDArray[np.float64]:
        """Frame rate of each row's stored video; 0 where it is not known."""
        return self.columns.arrays["fps"]

    @cached_property
    def shard_sizes(self) -> list[int]:
        """Number of samples in each shard, in the order of the rows."""
        return self.columns.runs_of_shards()

    @cached_property
    def frame_sizes(self) -> list[tuple[int, int]]:
        """Each (width, height) of stored videos that occurs, in pixels."""
        return self.columns.frame_sizes()

    def video(self, row: int) -> StoredVideo:
        """Return where the video of a row is stored."""
        return self.columns.video(row)


def _rows_of_split(shards: ShardSet, name: str) -> pa.Table:
    return shards.index.filter(pc.equal(shards.index["split"], name)).combine_chunks()
