"""The outline of a folder in an object store: its small files on a disk, with a hole in place of every tar.

A hole is a file that has the size of the tar and takes no room. Code that looks at names and sizes, or reads
index, ledger and manifest, works with an outline as with the folder itself; only the bytes of tars are
missing. As stores cannot append to a file, a log is in pieces there
(`log.jsonl/20261129T221500.000001-1f3a`), and one file on the disk.
"""

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vidprep.errors import ShardError
from vidprep.files import write_whole
from vidprep.shards.layout import INDEX, MANIFEST
from vidprep.shards.transfer.store import Store, StoredObject, at_once

Listing = Mapping[str, StoredObject]
LOG = "log.jsonl"
_KEPT_HERE = (".partial", ".jsonl", ".lock")  # files of this machine, which a store does not have
_TAR = ".tar"


def is_url(place: object) -> bool:
    """Tell whether a place is one in a store, rather than a folder of this machine."""
    return ":/" in str(place)


def is_beside_shards(name: str) -> bool:
    """Tell whether a file belongs to a finished set and is no tar."""
    return not name.startswith(".") and not name.endswith(_TAR)


@contextmanager
def local_outline(place: Path | str, *, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Path]:
    """Give a folder as it is, or the outline of one in a store, during a `with` block.

    Args:
        place: A folder or a URL.
        wanted: Tells by its name whether a file is needed.

    Raises:
        ShardError: If the store does not answer, or holds nothing there.
    """
    if not is_url(place):
        yield Path(place)
        return
    store = Store(str(place))
    there = store.listing()
    if not there:
        raise ShardError(f"Nothing lies at {place}. Check the address, and that you may list it.")
    with tempfile.TemporaryDirectory(prefix=f"vidprep-{os.getpid()}-") as scratch:
        folder = Path(scratch) / Path(store.url).name
        folder.mkdir()
        with errors_name_the_store(folder, store.url):
            fetch_outline(store, folder, {name: one for name, one in there.items() if wanted(name)})
            yield folder


@contextmanager
def errors_name_the_store(folder: Path, url: str) -> Iterator[None]:
    """Let errors name the place in the store, which the user knows, instead of the folder of the outline."""
    try:
        yield
    except Exception as error:
        error.args = tuple(
            one.replace(str(folder), url) if isinstance(one, str) else one for one in error.args
        )
        raise


def fetch_outline(store: Store, folder: Path, there: Listing) -> None:
    """Make a folder the outline of one in a store; files that it has already are not fetched again.

    Args:
        store: The folder in the store.
        folder: The folder on the disk; files that the store does not have are removed, except this machine's.
        there: The objects in the store, or the wanted part of them, by name.

    Raises:
        ShardError: If the store does not answer, or a name would lead out of the folder.
    """
    for name in there:
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ShardError(f"{store.url} holds {name!r}, which would lie outside of the folder.")
    pieces: dict[str, list[str]] = defaultdict(list)
    small = []
    for name, found in there.items():
        front, is_piece, _ = name.partition(f"{LOG}/")
        if is_piece:
            pieces[front + LOG].append(name)
        elif name.endswith(_TAR):
            make_hole(folder / name, found.size_bytes)
        elif not _is_same(folder / name, found):
            small.append(name)
    _remove_others(folder, there)
    at_once(lambda name: write_whole(folder / name, store.read(name)), small)
    for name, parts in pieces.items():
        write_whole(folder / name, b"".join(map(store.read, sorted(parts))))


def put_folder(store: Store, folder: Path, there: Listing) -> bool:
    """Make a folder in a store like one on the disk, except for tars and logs; the manifest comes last.

    Args:
        store: The folder in the store.
        folder: The folder on the disk.
        there: The objects in the store, by name.

    Returns:
        Whether the store itself made sure that no other process created the manifest; True if there was a
        manifest before.

    Raises:
        ShardError: If the store does not answer, or another process has put a manifest there.
    """
    here = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_shared(path)]
    names = [path.relative_to(folder).as_posix() for path in here]
    changed = [name for name in names if not (name in there and _is_same(folder / name, there[name]))]
    # The files kept for older generations come before those that readers look at first.
    order = sorted(changed, key=lambda name: (name == MANIFEST, name == INDEX, MANIFEST in name, name))
    first = [name for name in order if name not in (INDEX, MANIFEST) and MANIFEST not in name]
    at_once(lambda name: store.put(folder / name, name), first)
    is_create_only = True
    for name in order[len(first) :]:
        if name == MANIFEST and MANIFEST not in there:
            is_create_only = _put_new_manifest(store, (folder / MANIFEST).read_bytes())
        else:
            store.put(folder / name, name)
    return is_create_only


def make_hole(path: Path, size_bytes: int) -> None:
    """Make a file of some size that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size_bytes)


def _put_new_manifest(store: Store, data: bytes) -> bool:
    try:
        return store.put_new(MANIFEST, data)
    except FileExistsError as error:
        raise ShardError(
            f"{store.url}: somebody else has made a shard set there meanwhile. Choose another place."
        ) from error


def _is_same(path: Path, there: StoredObject) -> bool:
    if there.md5 is None or not path.is_file() or path.stat().st_size != there.size_bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == there.md5


def _is_shared(path: Path) -> bool:
    is_of_a_build = path.parent.name.startswith(".") and path.name.startswith(("lock", "stop"))
    return not (is_of_a_build or path.suffix == _TAR or path.name.endswith(_KEPT_HERE))


def _remove_others(folder: Path, there: Listing) -> None:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in there and (_is_shared(path) or path.suffix == _TAR):
            path.unlink(missing_ok=True)
