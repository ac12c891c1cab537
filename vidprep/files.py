"""Files that exist with all of their bytes or not at all, and disks that are full."""

import errno
import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it exists with all of its bytes or not at all.

    Raises:
        OSError: With the path, also where Python leaves it out: a disk that fills up while bytes are written.
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
    """Give a written file its name, after its bytes are on the disk; the name is then on the disk, too."""
    _sync(partial_path)
    partial_path.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_no_room(error: BaseException) -> bool:
    """Tell whether an error means a full disk, or a quota that is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
