"""`.build/`: what a build keeps between two runs, and the few files that processes agree by.

plan.parquet                 which video goes into which shard
staging/000007.tar           a finished shard that has no final name yet
done/000007.json             its index rows, hashes and rejected videos; written after the tar
log.jsonl                    what happened, a line an event
lock, stop                   one build at a time; please stop
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from vidprep.build.plan import PlanFacts
from vidprep.errors import BuildError
from vidprep.shards.layout import BUILD_DIR, shard_name
from vidprep.toml_models import Frozen


class Rejected(Frozen):
    """A video that was found to be unusable while its shard was built."""

    key: str
    reason: str
    detail: str


class DoneShard(Frozen):
    """What a finished shard holds; written when its tar is on the disk.

    Attributes:
        shard: Its number in the plan.
        rows: Index rows without the shard's name; empty, and no tar, if every video was rejected.
        details: For the ledger, by key: what FFmpeg said of the source of each used video.
        size_bytes: Of the tar.
        sha256: Of the tar.
        md5: Of the tar.
    """

    shard: int
    split: str
    rows: tuple[dict[str, Any], ...]
    details: dict[str, str]
    rejected: tuple[Rejected, ...]
    size_bytes: int
    sha256: str
    md5: str


def staging_path(out_dir: Path, shard: int) -> Path:
    """Return where a finished tar waits for its final name."""
    return out_dir / BUILD_DIR / "staging" / f"{shard:06d}.tar"


def done_path(out_dir: Path, shard: int) -> Path:
    """Return the file whose existence means that a shard is finished."""
    return out_dir / BUILD_DIR / "done" / f"{shard:06d}.json"


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
    lock.release()
    return False


def read_done(out_dir: Path, facts: PlanFacts) -> dict[int, DoneShard]:
    """Read the shards that are finished and whose tars are there, staged or in their final place.

    A tar of another size than its done-file says does not count: it will be built again.
    """
    numbers = range(len(facts.shard_sizes))
    done = {
        number: _read_done_file(path) for number in numbers if (path := done_path(out_dir, number)).is_file()
    }
    final_paths = final_shard_paths(out_dir, facts, done) if len(done) == len(numbers) else {}
    return {
        number: shard
        for number, shard in done.items()
        if not shard.rows or _is_there(shard, staging_path(out_dir, number), final_paths.get(number))
    }


def final_shard_paths(out_dir: Path, facts: PlanFacts, done: dict[int, DoneShard]) -> dict[int, Path]:
    """Return the final path of each shard that is not empty: numbers without gaps, per split."""
    counts: dict[str, int] = {}
    paths = {}
    for number in sorted(done):
        split = done[number].split
        if done[number].rows:
            paths[number] = out_dir / shard_name(facts.recipe.name, split, counts.get(split, 0))
            counts[split] = counts.get(split, 0) + 1
    return paths


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it exists with all of its bytes or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial_path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial_path.replace(path)
    finally:
        partial_path.unlink(missing_ok=True)


@contextmanager
def no_room_is_a_build_error(out_dir: Path) -> Iterator[None]:
    """Turn a full disk into the error that says what to do about it."""
    try:
        yield
    except OSError as error:
        if not is_no_room(error):
            raise
        free = shutil.disk_usage(out_dir).free
        raise BuildError(
            f"No room left on the disk ({free / 2**20:,.0f} MiB free in {out_dir}). The shard in hand is "
            "dropped, finished shards are kept: free some space and run the same build again."
        ) from error


def is_no_room(error: BaseException) -> bool:
    """Tell whether an error means a full disk, or a quota that is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _read_done_file(path: Path) -> DoneShard:
    try:
        return DoneShard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BuildError(f"{path} is damaged. Delete it and run the same build again.") from error


def _is_there(shard: DoneShard, *paths: Path | None) -> bool:
    return any(path and path.is_file() and path.stat().st_size == shard.size_bytes for path in paths)
