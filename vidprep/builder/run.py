"""A whole build: take inventory, plan, build what is not built yet, finalise."""

import os
import platform
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from filelock import Timeout
from rich.console import Console

from vidprep.builder.finalise import finalise
from vidprep.builder.finished import DoneShard, read_done, take_back
from vidprep.builder.log import BuildLog, read_log
from vidprep.builder.plan import (
    Plan,
    PlanFacts,
    describe_difference,
    plan_build,
    plan_path,
    read_facts,
    write_plan,
)
from vidprep.builder.progress import BuildProgress
from vidprep.builder.shard import ShardTask
from vidprep.builder.workspace import (
    build_lock,
    done_path,
    no_room_is_a_build_error,
    staging_path,
    stop_path,
)
from vidprep.datasets.inventory import take_inventory
from vidprep.errors import BuildError, BuildStopped, SourceError, VidprepError
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.recipe import Recipe
from vidprep.shards.layout import BUILD_DIR, MANIFEST
from vidprep.shards.manifest import Manifest

# `vidprep status` takes the lock for an instant, to see whether somebody else has it.
_LOCK_SECONDS = 2.0
_GO_ON = "Run the same command again to go on."

RunShards = Callable[[list[ShardTask], Callable[[dict[str, Any]], None]], None]


@dataclass(frozen=True)
class BuildRequest:
    """What to build, from what, into where.

    Attributes:
        recipe: The pipeline.
        sources: Folders of raw videos; a later one fills the gaps of the earlier ones.
        annotations: Folders or files; empty: looked for in the source folders.
        out_dir: The shard set.
        limit: Videos of each split at most, for a try.
        ffmpeg: A binary of the user's instead of the one that comes with vidprep.
    """

    recipe: Recipe
    sources: list[str]
    annotations: list[str]
    out_dir: Path
    limit: int | None = None
    ffmpeg: str | None = None


def build_shard_set(request: BuildRequest, run_shards: RunShards, console: Console) -> Manifest:
    """Build a shard set, or what is left of it.

    Args:
        run_shards: Who does the work, see `engine`.
        console: Where a person watches.

    Returns:
        The manifest of the finished set.

    Raises:
        BuildStopped: On Ctrl-C or SIGTERM.
        VidprepError: Whatever else prevents it; finished shards are kept.
    """
    inventory = take_inventory(request.recipe.dataset, request.sources, request.annotations)
    for split in SPLITS:
        if split not in inventory.lists:
            console.print(f"Warning: no annotation list for the {split} split; the shard set will have none.")
    plan = plan_build(
        request.recipe,
        inventory.rows,
        inventory.classes,
        ffmpeg_version=ffmpeg_version(find_ffmpeg(request.ffmpeg)),
        limit=request.limit,
    )
    if not plan.facts.num_videos:
        raise SourceError(
            f"Nothing to build: none of the {len(plan.rows):,} annotated videos is under "
            f"{', '.join(request.sources)}. See `vidprep audit`."
        )
    with (
        _exclusive(request.out_dir),
        _stop_says_how_to_go_on(),
        no_room_is_a_build_error(request.out_dir),
    ):
        _settle_plan(plan, request.out_dir)
        _build_pending(plan, request, run_shards, console)
        done = read_done(request.out_dir, plan.facts)
        manifest = finalise(request.out_dir, plan, done, inventory.dataset.labels.classes)
    if not manifest.shards:
        raise BuildError(
            f"Not one of {plan.facts.num_videos:,} videos could be used. "
            f"See why: vidprep ledger {request.out_dir} --list rejected."
        )
    return manifest


def _settle_plan(plan: Plan, out_dir: Path) -> None:
    """Make this plan the folder's, unless shards of another one are finished already."""
    if plan_path(out_dir).is_file() and any(done_path(out_dir, 0).parent.glob("*.json")):
        difference = describe_difference(read_facts(out_dir), plan.facts)
        if difference:
            raise BuildError(
                f"{out_dir} holds the build of another plan: {difference}. "
                "Build into a new folder, or delete this one."
            )
    write_plan(plan, out_dir)  # again, too: the sources may have moved


def _build_pending(plan: Plan, request: BuildRequest, run_shards: RunShards, console: Console) -> None:
    facts, out_dir = plan.facts, request.out_dir
    done = read_done(out_dir, facts)
    pending = [number for number in range(len(facts.shard_sizes)) if number not in done]
    if not pending:
        return
    (out_dir / MANIFEST).unlink(missing_ok=True)  # the set is not complete any more
    take_back(out_dir)
    _clear_leftovers(out_dir)
    tasks = [
        ShardTask(out_dir, number, facts.recipe.transcode, request.ffmpeg, facts.ffmpeg_version)
        for number in pending
    ]
    progress = _progress(facts, done, console)
    with closing(BuildLog(out_dir)) as log, _logged_end(log, out_dir, facts), progress:
        log.write(
            {"event": "start", "host": platform.node(), "pid": os.getpid(), "num_pending": len(pending)}
        )

        def report(event: dict[str, Any]) -> None:
            log.write(event)
            progress.update(event)

        run_shards(tasks, report)


def _progress(facts: PlanFacts, done: dict[int, DoneShard], console: Console) -> BuildProgress:
    return BuildProgress(
        facts.recipe.name,
        num_videos=facts.num_videos,
        num_finished=sum(facts.shard_sizes[number] for number in done),
        num_rejected=facts.num_rejected + sum(len(shard.rejected) for shard in done.values()),
        console=console,
    )


@contextmanager
def _logged_end(log: BuildLog, out_dir: Path, facts: PlanFacts) -> Iterator[None]:
    """Write down how a run ends that does not end well, and say how to go on."""
    try:
        yield
    except (KeyboardInterrupt, BuildStopped) as error:
        num_done = len(read_done(out_dir, facts))
        log.write({"event": "stop", "num_done": num_done})
        raise BuildStopped(
            f"Stopped. {num_done:,} of {len(facts.shard_sizes):,} shards are finished and kept. {_GO_ON}"
        ) from error
    except VidprepError as error:
        log.write({"event": "error", "message": str(error)})
        raise


def _clear_leftovers(out_dir: Path) -> None:
    """Remove what a run that was killed could not remove itself."""
    stop_path(out_dir).unlink(missing_ok=True)
    for path in staging_path(out_dir, 0).parent.glob("*.partial"):
        path.unlink(missing_ok=True)
    for path in Path(tempfile.gettempdir()).glob("vidprep-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _refuse_foreign(out_dir: Path) -> None:
    names = sorted(path.name for path in out_dir.iterdir()) if out_dir.is_dir() else []
    if names and BUILD_DIR not in names:
        raise BuildError(
            f"{out_dir} is not empty and holds no build of vidprep (it has {names[0]!r}). "
            "Build into a new folder."
        )


@contextmanager
def _exclusive(out_dir: Path) -> Iterator[None]:
    """Hold the folder's lock: two builds into one folder would fight over it."""
    _refuse_foreign(out_dir)
    try:
        (out_dir / BUILD_DIR).mkdir(parents=True, exist_ok=True)
        lock = build_lock(out_dir)
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        starts = [event for event in read_log(out_dir) if event["event"] == "start"]
        who = f" (process {starts[-1]['pid']} on {starts[-1]['host']})" if starts else ""
        raise BuildError(
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


@contextmanager
def _stop_says_how_to_go_on() -> Iterator[None]:
    """Treat SIGTERM, which batch systems send before they kill, like Ctrl-C; and both as no catastrophe."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise BuildStopped(f"Stopped by signal {signum}. {_GO_ON}")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        raise BuildStopped(f"Stopped. {_GO_ON}") from error
    finally:
        signal.signal(signal.SIGTERM, before)
