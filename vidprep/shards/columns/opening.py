"""Get the columns of a set from its index or, if it is large, from this machine's copy of them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from vidprep.links import inside
from vidprep.shards.columns.columns import Columns
from vidprep.shards.columns.node_copy import find_copy, shared_columns
from vidprep.shards.columns.set_files import is_local, no_set_at, read_index_bytes, read_optional
from vidprep.shards.index import read_columns, read_parts
from vidprep.shards.layout import INDEX, MANIFEST
from vidprep.shards.manifest import Manifest, file_sha256

# From this many samples on, the processes of a machine share one copy of the columns.
_LARGE = 1_000_000
_LARGE_BYTES = 40 * _LARGE  # of an index


def set_columns(root: str, manifest: Manifest) -> Columns:
    """Return what loaders need of the index that a manifest names."""
    origin = f"{root}/{INDEX}"
    if sum(total.used for total in manifest.totals.values()) < _LARGE:
        return read_columns(read_index_bytes(root, manifest), origin=origin)
    sha256 = manifest.index_sha256
    # For a remote set, the manifest's hash of the index is trusted; on a disk the index is read, as it may be
    # damaged.
    if is_local(root) and not _is_beside(root, sha256):
        read_index_bytes(root, manifest)  # raises, unless it is an older generation's, which is kept
    found = find_copy(sha256) or shared_columns(sha256, _index_parts(root, manifest))
    return found or read_columns(read_index_bytes(root, manifest), origin=origin)


def _index_parts(root: str, manifest: Manifest) -> Iterator[Columns]:
    yield from read_parts(read_index_bytes(root, manifest), origin=f"{root}/{INDEX}")


def third_party_columns(root: str) -> tuple[str, Columns]:
    """Return the sha256 of an index that no manifest names, and what loaders need of it."""
    path, origin = Path(root, INDEX), f"{root}/{INDEX}"
    if is_local(root) and inside(root, INDEX).is_file() and path.stat().st_size >= _LARGE_BYTES:
        sha256 = file_sha256(path)
        parts = (part for file in [path] for part in read_parts(file.read_bytes(), origin=origin))
        found = find_copy(sha256) or shared_columns(sha256, parts)
        if found:
            return sha256, found
    index = read_optional(root, INDEX)
    if index is None:
        raise no_set_at(root, MANIFEST)
    return hashlib.sha256(index).hexdigest(), read_columns(index, origin=origin)


def _is_beside(root: str, sha256: str) -> bool:
    path = inside(root, INDEX)
    return path.is_file() and file_sha256(path) == sha256
