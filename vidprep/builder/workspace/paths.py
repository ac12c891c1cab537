"""Names of the files in `.build/`; used in this folder only.

plan.parquet                 which video goes into which shard
staging/000007.tar           a finished shard that has no final name yet
staging/000007.ab12cd34.*    a shard that is being written, and its finished videos: see `unfinished`
done/000007.json             its index rows, hashes and rejected videos; written after the tar
places.json                  the final names, by number in the plan
archives/                    indexes of the archives among the sources
log.jsonl                    what happened, a line an event
lock, stop                   one build at a time; please stop
lease/                       in a store, instead of the lock: see `leases`
share-0003-of-0008/          what a task of a job array has finished: see `shares`
"""

from pathlib import Path

BUILD_DIR = ".build"
PLAN = f"{BUILD_DIR}/plan.parquet"
STAGING = f"{BUILD_DIR}/staging"
DONE = f"{BUILD_DIR}/done"
PLACES = f"{BUILD_DIR}/places.json"
ARCHIVES = f"{BUILD_DIR}/archives"


def plan_path(out_dir: Path) -> Path:
    """Return where a shard set keeps its plan."""
    return out_dir / PLAN


def staging_path(out_dir: Path, shard: int) -> Path:
    """Return where a finished tar waits for its final name."""
    return out_dir / STAGING / f"{shard:06d}.tar"


def done_path(out_dir: Path, shard: int) -> Path:
    """Return the file whose existence means that a shard is finished."""
    return out_dir / DONE / f"{shard:06d}.json"


def places_path(out_dir: Path) -> Path:
    """Return the file that says which final name each finished shard has, by its number in the plan."""
    return out_dir / PLACES


def archive_index_dir(out_dir: Path) -> Path:
    """Return where the indexes of archives lie, in which the workers look videos up."""
    return out_dir / ARCHIVES


def log_path(out_dir: Path) -> Path:
    """Return the log, a JSON object a line."""
    return out_dir / BUILD_DIR / "log.jsonl"


def stop_path(out_dir: Path, name: str = "") -> Path:
    """Return the file whose existence asks workers to stop after the video in hand.

    Args:
        out_dir: The build.
        name: Names one shard of one run; "": all workers are asked.
    """
    return out_dir / BUILD_DIR / (f"stop-{name}" if name else "stop")


def lock_path(out_dir: Path) -> Path:
    """Return the file that a running build has locked."""
    return out_dir / BUILD_DIR / "lock"
