"""Where each task of a job array builds its share: in a folder of its own, laid out like that of a build.

share-0003-of-0008/     what the third of eight tasks has finished, until the set is made of all
"""

import re
import shutil
import uuid
from pathlib import Path

from vidprep.builder.plan import PlanFacts
from vidprep.builder.workspace.finished import is_done, read_done
from vidprep.builder.workspace.leases import holders
from vidprep.builder.workspace.lock import is_running
from vidprep.builder.workspace.paths import BUILD_DIR, done_path, log_path, staging_path
from vidprep.builder.workspace.plan_file import planned_facts

_NAME = re.compile(r"share-(\d+)-of-(\d+)")


def share_dir(out_dir: Path, number: int, total: int) -> Path:
    """Return the folder of a task's share; tasks are numbered from 1."""
    return out_dir / BUILD_DIR / f"share-{number:04d}-of-{total:04d}"


def share_dirs(out_dir: Path) -> list[Path]:
    """Return the folders of all shares that were begun."""
    return sorted(path for path in (out_dir / BUILD_DIR).glob("share-*") if _NAME.fullmatch(path.name))


def is_share_running(out_dir: Path, folder: Path) -> bool:
    """Tell whether a task is working on its share."""
    return is_running(folder) or any(
        holder.share and share_dir(out_dir, *map(int, holder.share.split("/"))) == folder
        for holder in holders(out_dir)
    )


def share_name(folder: Path) -> str:
    """Return the name of a share for messages, e.g. "task 3 of 8"."""
    found = _NAME.fullmatch(folder.name)
    return f"task {int(found[1])} of {int(found[2])}" if found else folder.name


def finished_anywhere(out_dir: Path, facts: PlanFacts) -> set[int]:
    """Return the numbers of the shards of a plan that a build or any task of an array has finished."""
    folders = [folder for folder in (out_dir, *share_dirs(out_dir)) if _is_planned(folder, facts)]
    return {number for folder in folders for number in read_done(folder, facts)}


def take_over(out_dir: Path, folder: Path) -> None:
    """Move what a task has finished, and begun, to the build; killed in between, it can be repeated.

    Args:
        out_dir: The build.
        folder: The folder of the task's share; the task must not be running.
    """
    for done in sorted(done_path(folder, 0).parent.glob("*.json")):
        number = int(done.stem)
        if is_done(out_dir, number):
            continue  # the same bytes: they follow from the plan
        staging_path(out_dir, number).parent.mkdir(parents=True, exist_ok=True)
        done_path(out_dir, number).parent.mkdir(parents=True, exist_ok=True)
        if staging_path(folder, number).exists():
            staging_path(folder, number).replace(staging_path(out_dir, number))
        done.replace(done_path(out_dir, number))
    for pattern in ("*.partial", "*.jsonl"):
        for path in staging_path(folder, 0).parent.glob(pattern):
            staging_path(out_dir, 0).parent.mkdir(parents=True, exist_ok=True)
            path.replace(staging_path(out_dir, 0).with_name(path.name))
    if log_path(folder).is_file():
        with log_path(out_dir).open("ab") as log:
            log.write(log_path(folder).read_bytes())
        log_path(folder).unlink()


def drop_share(folder: Path) -> None:
    """Remove a share that was taken over; a task that starts again meanwhile finds no folder."""
    aside = folder.with_name(f"taken-over-{uuid.uuid4().hex[:8]}")
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _is_planned(folder: Path, facts: PlanFacts) -> bool:
    planned = planned_facts(folder)
    return planned is not None and planned.sha256 == facts.sha256
