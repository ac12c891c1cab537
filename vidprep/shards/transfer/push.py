"""`push`: copy a shard set from a disk to an object store."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vidprep.errors import ShardError
from vidprep.links import inside
from vidprep.shards.layout import INDEX, LEDGER, MANIFEST, PASSPORT
from vidprep.shards.manifest import Manifest, parse_manifest, read_manifest
from vidprep.shards.transfer.store import Digests, Store, StoredObject, digest_parts, parts_of

OnFile = Callable[[int, int, str], object]


@dataclass(frozen=True)
class Transfer:
    """What was copied.

    Attributes:
        num_copied: Files that were copied.
        num_kept: Files that existed already with the same bytes.
        size_bytes: Size of the copied files together.
        is_create_only: Whether the store itself made sure that nobody else put a manifest there meanwhile.
    """

    num_copied: int
    num_kept: int
    size_bytes: int
    is_create_only: bool = True


def push(
    shards_dir: Path | str, url: str, *, on_file: OnFile = lambda finished, total, name: None
) -> Transfer:
    """Copy a finished shard set to an object store; files that exist with the same bytes are not copied.

    Index and manifest come last: before that, readers see no set. The same call resumes a stopped one.

        vidprep.push("shards/motion", "memory://bucket/motion")

    Args:
        shards_dir: Folder of the shard set.
        url: Where the copy goes, e.g. "s3://bucket/k400"; credentials come from the environment.
        on_file: Called after each file with the number of files done, their total, and the file's name.

    Raises:
        ShardError: If there is no finished set, a file is not what the manifest says, another set lies there,
            or the store does not answer.
    """
    root, store = Path(shards_dir), Store(url)
    manifest = read_manifest(root)
    there = store.listing()
    _check_is_older(store, there, manifest)
    names = in_order(name for name in files_of(root) if name != MANIFEST)
    _check_lies_there(root, names, manifest)
    copied, size = 0, 0
    for number, name in enumerate(names, start=1):
        if not _is_there(root, name, there.get(name), store, manifest):
            copied, size = copied + 1, size + _push_file(root, name, store, manifest)
        on_file(number, len(names) + 1, name)
    data = (root / MANIFEST).read_bytes()
    is_create_only = True
    if MANIFEST not in there:
        try:
            is_create_only = store.put_new(MANIFEST, data)
        except FileExistsError as error:
            raise ShardError(
                f"{url}: somebody has put a shard set there meanwhile. Choose another place."
            ) from error
        copied, size = copied + 1, size + len(data)
    elif store.read(MANIFEST) != data:
        store.replace(MANIFEST, data)
        copied, size = copied + 1, size + len(data)
    on_file(len(names) + 1, len(names) + 1, MANIFEST)
    return Transfer(copied, len(names) + 1 - copied, size, is_create_only)


def files_of(root: Path) -> list[str]:
    """Return the files of a shard set, without those that its build keeps."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(folder).relative_to(root)
        found += [(below / name).as_posix() for name in names if not name.endswith(".partial")]
    return sorted(found)


def _check_lies_there(root: Path, names: list[str], manifest: Manifest) -> None:
    """Refuse a set that lacks a file of its manifest, or whose files are links to others."""
    for name in (*checksums_of(manifest), *names):
        if not inside(root, name).is_file():
            raise ShardError(f"{root / name} is missing. Nothing was copied. See `vidprep verify {root}`.")


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in the order in which they are copied: the index last."""
    return sorted(names, key=lambda name: (name == INDEX, name))


def checksums_of(manifest: Manifest) -> dict[str, str]:
    """Return the sha256 of each file that a manifest names."""
    tables = {
        INDEX: manifest.index_sha256,
        LEDGER: manifest.ledger_sha256,
        PASSPORT: manifest.passport_sha256,
    }
    return {name: sha256 for name, sha256 in tables.items() if sha256} | {
        entry.name: entry.sha256 for entry in manifest.shards
    }


def check_is_named(name: str, digests: Digests, manifest: Manifest, place: str) -> None:
    """Check a file against its hash in the manifest, if that has one.

    Raises:
        ShardError: If it is not.
    """
    expected = checksums_of(manifest).get(name)
    if expected is not None and digests.sha256 != expected:
        raise ShardError(
            f"{place} has sha256 {digests.sha256[:12]}..., the manifest says {expected[:12]}...: it is "
            "damaged, or of another build. See `vidprep verify`."
        )


def _check_is_older(store: Store, there: dict[str, StoredObject], manifest: Manifest) -> None:
    """Refuse a place where another set lies; an earlier generation of this one may."""
    if MANIFEST not in there:
        return
    theirs = parse_manifest(store.read(MANIFEST), origin=f"{store.url}/{MANIFEST}")
    ours = {entry.name: entry.sha256 for entry in manifest.shards}
    if any(ours.get(entry.name) != entry.sha256 for entry in theirs.shards):
        raise ShardError(
            f"{store.url} holds another shard set ({theirs.recipe.name}, generation {theirs.generation}). "
            "Choose another place."
        )


def _is_there(root: Path, name: str, there: StoredObject | None, store: Store, manifest: Manifest) -> bool:
    if there is None or there.size_bytes != (root / name).stat().st_size:
        return False
    md5 = {entry.name: entry.md5 for entry in manifest.shards}.get(name)
    if there.md5 is not None:
        return there.md5 == (md5 or digest_parts(parts_of(root / name)).md5)
    return store.digests(name).sha256 == digest_parts(parts_of(root / name)).sha256


def _push_file(root: Path, name: str, store: Store, manifest: Manifest) -> int:
    digests = digest_parts(parts_of(root / name))
    check_is_named(name, digests, manifest, str(root / name))
    written = store.put(root / name, name)
    if written != digests:
        raise ShardError(f"{root / name} changed while it was copied. Run the same command again.")
    return written.size_bytes
