"""Read the files of a shard set beside its tars, from a disk or a store, checked against the manifest."""

import hashlib
import posixpath
from pathlib import Path

from vidprep.errors import ShardError
from vidprep.links import inside, open_store
from vidprep.shards.layout import INDEX, MANIFEST, generation_file
from vidprep.shards.manifest import Manifest, no_set, no_such_generation, parse_manifest

AGAIN = "Copy the whole shard set again, or run the same build again."


def read_set_manifest(root: str, generation: int | None) -> tuple[Manifest, str] | None:
    """Return a manifest with its sha256, or None where there is none."""
    data = read_optional(root, MANIFEST)
    if data is None:
        if generation not in (None, 1):
            raise ShardError(f"{root} has no generation {generation}: it has no {MANIFEST}.")
        return None
    manifest = parse_manifest(data, origin=f"{root}/{MANIFEST}")
    if generation not in (None, manifest.generation):
        name = generation_file(generation, MANIFEST)
        data = read_optional(root, name) if generation < manifest.generation else None
        if data is None:
            raise no_such_generation(root, manifest, generation)
        manifest = parse_manifest(data, origin=f"{root}/{name}")
    return manifest, hashlib.sha256(data).hexdigest()


def is_local(root: str) -> bool:
    """Tell whether a set lies on a disk, rather than behind a URL."""
    return "://" not in root


def read_index_bytes(root: str, manifest: Manifest) -> bytes:
    """Return the index that a manifest names.

    Raises:
        ShardError: If it is missing, or has other bytes.
    """
    index = read_named(root, INDEX, manifest.index_sha256, manifest.generation)
    if index is None:
        raise no_set_at(root, INDEX)
    return index


def no_set_at(root: str, name: str) -> ShardError:
    """Return the error for a set that lacks a file which every set has."""
    if name == MANIFEST and "://" not in root:
        return no_set(Path(root))
    what = f"No shard set at {root}: {name} is missing"
    if name == MANIFEST:
        return ShardError(f"{what}. Is the address right? It is written last, when a build or a push ends.")
    return ShardError(f"{what}. {AGAIN}")


def read_named(root: str, name: str, sha256: str, generation: int) -> bytes | None:
    """Return the file that a manifest names: the one beside it, or the copy kept with its generation.

    Returns:
        None if there is none beside it.
    """
    beside = read_optional(root, name)
    if beside is None or hashlib.sha256(beside).hexdigest() == sha256:
        return beside
    kept = read_optional(root, generation_file(generation, name))
    if kept is not None and hashlib.sha256(kept).hexdigest() == sha256:
        return kept
    raise ShardError(f"{root}/{name} is not the one of {MANIFEST}: it is stale or damaged. {AGAIN}")


def read_optional(root: str, name: str) -> bytes | None:
    """Return a file of the set, or None if it is not there."""
    try:
        if is_local(root):
            return inside(root, name).read_bytes()
        filesystem, path = open_store(posixpath.join(root, name))
        content: bytes = filesystem.cat_file(path)
        return content
    except (FileNotFoundError, NotADirectoryError) as error:
        # fsspec keeps the error in a frame of its own traceback: a reference cycle, which would keep all
        # callers' objects (a loader and its workers) until the next garbage collection.
        error.__traceback__ = None
        return None
    except ShardError:
        raise
    except Exception as error:  # each store has an error tree of its own
        raise ShardError(f"{root}/{name} cannot be read: {error}.") from error
