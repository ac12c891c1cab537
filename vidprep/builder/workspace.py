"""`.build/`: what a build keeps between two runs, and the few files that processes agree by.

plan.parquet                 which video goes into which shard
staging/000007.tar           a finished shard that has no final name yet
done/000007.json             its index rows, hashes and rejected videos; written after the tar
log.jsonl                    what happened, a line an event
lock, stop                   one build at a time; please stop
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vidprep.errors import BuildError
from vidprep.files import is_no_room
from vidprep.shards.layout import BUILD_DIR


def staging_path(out_dir: Path, shard: int) -> Path:
    """Return where a finished tar waits for its final name."""
    return out_dir / BUILD_DIR / "staging" / f"{shard:06d}.tar"


def done_path(out_dir: Path, shard: int) -> Path:
    """Return the file whose existence means that a shard is finished."""
    return out_dir / BUILD_DIR / "done" / f"{shard:06d}.json"


def places_path(out_dir: Path) -> Path:
    """Return the file that says which final name each finished shard has, by its number in the plan."""
    return out_dir / BUILD_DIR / "places.json"


def log_path(out_dir: Path) -> Path:
    """Return the log, a JSON object a line."""
    return out_dir / BUILD_DIR / "log.jsonl"


def stop_path(out_dir: Path) -> Path:
    """Return the file whose existence asks all workers to stop after the video in hand."""
    return out_dir / BUILD_DIR / "stop"


def build_lock(out_dir: Path) -> FileLock:
    """Return the lock that a running build holds."""
    return FileLock(out_dir / BUILD_DIR / "lock")


def is_running(out_dir: Path) -> bool:
    """Tell whether a build is working on this folder right now."""
    if not (out_dir / BUILD_DIR / "lock").exists():
        return False
    lock = build_lock(out_dir)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a read-only copy of a shard set
        return False
    lock.release()
    return False


@contextmanager
def no_room_is_a_build_error(out_dir: Path) -> Iterator[None]:
    """Turn a full disk into the error that says what to do about it."""
    try:
        yield
    except OSError as error:
        if not is_no_room(error):
            raise
        places = (str(out_dir), tempfile.gettempdir())
        free = ", ".join(f"{shutil.disk_usage(place).free >> 20:,} MiB free in {place}" for place in places)
        raise BuildError(
            f"No room left on the disk ({free}). The shard in hand is dropped, finished shards are kept: "
            "free some space and run the same build again."
        ) from error
