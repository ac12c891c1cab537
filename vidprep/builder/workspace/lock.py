"""One build at a time in a folder, and how all its workers are asked to stop.

For a build in an object store see `vidprep.builder.places.lease`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vidprep.builder.workspace.extensions import extension_dirs
from vidprep.builder.workspace.leases import holders
from vidprep.builder.workspace.log import read_log
from vidprep.builder.workspace.paths import BUILD_DIR, lock_path, stop_path
from vidprep.errors import BuildBusy, BuildError
from vidprep.recipes.manifests import SPLITS
from vidprep.shards.layout import GENERATIONS

# `vidprep status` takes the lock for an instant, to see whether another process has it.
_LOCK_SECONDS = 2.0


@contextmanager
def exclusive(out_dir: Path, *, finished_set: bool = False) -> Iterator[None]:
    """Hold the folder's lock: two builds into one folder would fight over it.

    Args:
        out_dir: The folder.
        finished_set: Whether it may also hold a finished set without its `.build/` folder.

    Raises:
        BuildBusy: If another build works there.
        BuildError: If it holds something that vidprep did not build, links lead out of it, or it cannot be
            written.
    """
    check_is_ours(out_dir, finished_set=finished_set)
    try:
        lock_path(out_dir).parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_path(out_dir))
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        logs = [read_log(folder) for folder in (out_dir, *extension_dirs(out_dir))]
        starts = [event for log in logs for event in log if event["event"] == "start"]
        last = max(starts, key=lambda event: event["time"], default=None)
        who = f" (process {last['pid']} on {last['host']})" if last else ""
        raise BuildBusy(
            f"Another build is working in {out_dir}{who}. Wait for it, stop it, or build into another folder."
        ) from error
    except OSError as error:
        raise BuildError(
            f"Cannot write into {out_dir}: {error.strerror}. Choose another folder with --out."
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_is_ours(out_dir: Path, *, finished_set: bool = False) -> None:
    """Make sure that a folder is empty or holds a build, all of it below the folder.

    Args:
        out_dir: The folder.
        finished_set: Whether it may also hold a finished set without its `.build/` folder.

    Raises:
        BuildError: If it holds something else, or links lead out of it.
    """
    if not finished_set:
        _refuse_foreign(out_dir)
    _refuse_links(out_dir)


def is_running(out_dir: Path) -> bool:
    """Tell whether a build is working on this folder, or the one that it is the outline of, right now."""
    if any(not holder.share for holder in holders(out_dir)):
        return True
    if not lock_path(out_dir).exists():
        return False
    lock = FileLock(lock_path(out_dir))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a read-only copy of a shard set
        return False
    lock.release()
    return False


def ask_to_stop(out_dir: Path, name: str = "") -> None:
    """Ask workers to stop after the video in hand: all, or those of one shard of one run, by its name."""
    stop_path(out_dir, name).touch()


def is_asked_to_stop(out_dir: Path, name: str = "") -> bool:
    """Tell whether the workers were asked to stop: all, or those of one shard of one run."""
    return stop_path(out_dir).exists() or (name != "" and stop_path(out_dir, name).exists())


def forget_stop(out_dir: Path) -> None:
    """Withdraw a request to stop, e.g. one that a killed run left behind."""
    for path in stop_path(out_dir).parent.glob("stop*"):
        path.unlink(missing_ok=True)


def _refuse_foreign(out_dir: Path) -> None:
    names = sorted(path.name for path in out_dir.iterdir()) if out_dir.is_dir() else []
    if names and BUILD_DIR not in names:
        raise BuildError(
            f"{out_dir} is not empty and holds no build of vidprep (it has {names[0]!r}). "
            "Build into a new folder."
        )


def _refuse_links(out_dir: Path) -> None:
    """Refuse a folder with links that lead out of it: files elsewhere would be moved or deleted."""
    folders = [out_dir / name for name in (BUILD_DIR, *SPLITS, GENERATIONS)]
    below = [path for folder in folders for path in folder.rglob("*")]
    for path in (*folders, *below):
        if path.is_symlink() and not path.resolve().is_relative_to(out_dir.resolve()):
            raise BuildError(
                f"{path} is a link to {path.readlink()}: nothing outside of {out_dir} is moved or deleted. "
                "Remove the link, or build into a folder that lies where it leads."
            )
