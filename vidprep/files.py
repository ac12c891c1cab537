"""Writing files atomically; recognising full disks and errors of stores; distinct short names of paths."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from vidprep.errors import VidprepError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it exists with all of its bytes or not at all.

    Raises:
        OSError: If it cannot be written; with the path, which Python leaves out if a disk fills up meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial_path.write_bytes(data)
        replace_durably(partial_path, path)
    except OSError as error:  # a full disk has no name, a read-only one that of the partial file
        error.filename = str(path)
        raise
    finally:
        partial_path.unlink(missing_ok=True)


def replace_durably(partial_path: Path, path: Path) -> None:
    """Rename a written file to `path`: first its bytes are synced to the disk, then the new name is."""
    _sync(partial_path)
    partial_path.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error means a full disk, or a quota that is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def distinct_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Return each path by a short name: its last part, or the whole path where two end alike.

    a/x, a/y -> x, y     a/x, b/x -> a/x, b/x     a/x, a/x -> x
    """
    paths = list(dict.fromkeys(paths))
    names = [path.name for path in paths]
    return {path.name if names.count(path.name) == 1 else str(path): path for path in paths}


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn whatever a remote store raises into an `OSError`: each library has an error tree of its own.

    Raises:
        OSError: With the original error in its message, unless that was an `OSError` itself.
        VidprepError: As it was raised, for it does not come from the store.
    """
    try:
        yield
    except (OSError, VidprepError):
        raise
    except Exception as error:
        raise OSError(0, f"{type(error).__name__}: {error}") from error


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file; opening a FIFO would wait forever.

    Raises:
        OSError: If it is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is not a regular file")
    return os.fdopen(descriptor, "rb")
