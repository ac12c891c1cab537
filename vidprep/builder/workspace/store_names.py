"""Names of a build's files as objects of a store: the same as below the folder of a build on a disk.

log.jsonl/20261129T221500.000001-1f3a   a piece of the log, which stores cannot append to
lease/000001.json                       instead of the lock: see `leases`
probe-1f3a...                           for an instant, while the store's abilities are tested
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from vidprep.builder.workspace.leases import LEASE
from vidprep.builder.workspace.paths import ARCHIVES, BUILD_DIR, DONE, PLACES, PLAN, STAGING, plan_path
from vidprep.builder.workspace.shares import share_dir
from vidprep.recipes.manifests import SPLITS
from vidprep.shards.transfer.outline import LOG

_SHARE = f"{BUILD_DIR}/share-"
_PROBE = f"{BUILD_DIR}/probe-"
_OWN_LOG = f"{BUILD_DIR}/{LOG}/"
PLAN_NAME, PLACES_NAME, ARCHIVES_NAME, LEASES_NAME = PLAN, PLACES, ARCHIVES, LEASE


def staged_name(below: str, shard: int) -> str:
    """Return where a finished tar waits for its final name.

    Args:
        below: "", or the folder of an extension with a slash at the end.
        shard: Its number in the plan.
    """
    return f"{below}{STAGING}/{shard:06d}.tar"


def done_name(below: str, shard: int) -> str:
    """Return the object whose existence means that a shard is finished."""
    return f"{below}{DONE}/{shard:06d}.json"


def kept_folder(below: str) -> str:
    """Return the folder of everything that a build, or an extension, keeps."""
    return f"{below}{BUILD_DIR}"


def is_done_name(name: str) -> bool:
    """Tell whether an object in the folder of what a build keeps is a done-file."""
    return f"{BUILD_DIR}/{name}".startswith(f"{DONE}/")


def new_probe_name() -> str:
    """Return the name of an object with which a store's abilities are tested."""
    return f"{_PROBE}{uuid.uuid4().hex[:8]}"


def share_folder(number: int, total: int) -> str:
    """Return the folder for the log of a task of a job array, with a slash at the end."""
    return f"{share_dir(Path(), number, total).as_posix()}/"


def new_piece_name(log: str, token: str) -> str:
    """Return where the next piece of a log goes.

    Args:
        log: Name of the log in the store.
        token: A random id of the process that writes.
    """
    return f"{log}/{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{token}"


def log_of(name: str) -> str | None:
    """Return the log that an object is a piece of, or None."""
    log, is_piece, _ = name.partition(f"/{LOG}/")
    return f"{log}/{LOG}" if is_piece else None


def logs_in(folder: Path) -> list[Path]:
    """Return the logs of a build on a disk: its own, and those of extensions."""
    return sorted((folder / BUILD_DIR).rglob(LOG))


def shares_pieces(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pieces of logs of shares, each with its name as a piece of the log of the build."""
    return [
        (name, _OWN_LOG + name.rpartition("/")[2])
        for name in names
        if name.startswith(_SHARE) and log_of(name)
    ]


def is_of_one_build(name: str) -> bool:
    """Tell whether an object belongs to the build itself: is no lease, no probe, and in no share's folder."""
    return not name.startswith((f"{LEASE}/", _SHARE, _PROBE))


def may_be_stale(name: str) -> bool:
    """Tell whether an object that a finished set lacks on the disk is left over in the store."""
    is_ours = name.startswith((f"{BUILD_DIR}/", *(f"{split}/" for split in SPLITS)))
    return is_ours and not name.startswith((f"{LEASE}/", _OWN_LOG))


def is_build(names: Iterable[str]) -> bool:
    """Tell whether some of these objects are files that a build keeps."""
    return any(name.startswith(f"{BUILD_DIR}/") for name in names)


def planned_files(folder: Path) -> list[Path]:
    """Return what a worker needs of a build on a disk: indexes of archives, then the plan."""
    found = (*sorted((folder / ARCHIVES).glob("*")), folder / "begun.json", plan_path(folder))
    return [path for path in found if path.is_file()]
