"""Two processes must not write into the same folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vidprep.errors import HarnessError


def is_held(lock_path: Path) -> bool:
    """Tell whether a process holds a lock now; it is taken for an instant to find out."""
    if not lock_path.is_file():
        return False
    try:
        with FileLock(lock_path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a read-only copy of a run, at which nobody works
        return False


@contextmanager
def one_at_a_time(lock_path: Path, busy: str) -> Iterator[None]:
    """Hold a lock for the length of a `with` block; it ends with the process, too, however that ends.

    Args:
        lock_path: Path of a file, which may stay behind.
        busy: Message of the error if another process holds it.

    Raises:
        HarnessError: If another process holds the lock.
    """
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock_path, timeout=0):
            yield
    except Timeout as error:
        raise HarnessError(busy) from error
