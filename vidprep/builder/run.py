"""A whole build: take inventory, plan, build what is not built yet, finalise."""

import os
import platform
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from filelock import Timeout

from vidprep.builder.engine import RunShards, choose_engine
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
from vidprep.builder.shard import ShardTask
from vidprep.builder.workspace import (
    build_lock,
    done_path,
    no_room_is_a_build_error,
    staging_path,
    stop_path,
)
from vidprep.datasets.folders import absolute, default_sources
from vidprep.datasets.inventory import take_inventory
from vidprep.errors import BuildError, BuildStopped, SourceError, VidprepError
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.mini import resolve_recipe
from vidprep.recipes.recipe import Recipe
from vidprep.shards.layout import BUILD_DIR, MANIFEST
from vidprep.shards.manifest import Manifest

# `vidprep status` takes the lock for an instant, to see whether somebody else has it.
_LOCK_SECONDS = 2.0
_GO_ON = "Run the same command again to go on."

OnEvent = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class BuildResult:
    """A finished shard set.

    Attributes:
        out_dir: Its folder.
        manifest: What it is, what it was made from, and the accounting of each split.
    """

    out_dir: Path
    manifest: Manifest


def build(
    recipe: Recipe | Path | str,
    out_dir: Path | str | None = None,
    *,
    sources: Sequence[str | Path] = (),
    annotations: Sequence[str | Path] = (),
    class_list: Path | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str | None = None,
    in_process: bool = False,
    limit: int | None = None,
    ffmpeg: Path | str | None = None,
    on_event: OnEvent = lambda event: None,
) -> BuildResult:
    """Turn raw videos into a shard set, or build what is left of it.

    Every annotated video ends up used, missing or rejected with a reason; the same call goes on where a
    build was stopped. A script that starts worker processes needs `if __name__ == "__main__":` around it.

        result = vidprep.build("demo", "shards/new", sources=["raw/ssv2"], in_process=True)
        print(result.manifest.totals["train"].used)

    Args:
        recipe: A recipe, or the name or path of a pipeline.
        out_dir: The shard set; None: `shards/NAME`.
        sources: Folders of raw videos; a later one fills the gaps of the earlier. None given: where
            $VIDPREP_SSV2 or $VIDPREP_K400 points, else data/ssv2 or data/k400.
        annotations: Annotation files or folders; none given: looked for in the sources.
        class_list: A text file with classes of one's own, one a line.
        overrides: `table.key=value` settings of the recipe.
        workers: Processes on this machine; None: one per core.
        scheduler: Address of a running Dask scheduler whose workers build instead.
        in_process: One video after the other in this process; for debugging.
        limit: Videos of each split at most, for a try.
        ffmpeg: A binary of the user's instead of the one that comes with vidprep.
        on_event: Told of each event, as `.build/log.jsonl` has them; from another thread, too.

    Returns:
        The finished set.

    Raises:
        BuildStopped: On Ctrl-C or SIGTERM.
        ValueError: If more than one of workers, scheduler and in_process is asked for.
        VidprepError: Whatever else prevents it; finished shards are kept.
    """
    engine = choose_engine(workers=workers, scheduler=scheduler, in_process=in_process)
    resolved = resolve_recipe(recipe, class_list=class_list, overrides=overrides)
    if out_dir is not None and ":/" in str(out_dir):
        raise BuildError(f"{out_dir} is a URL. Build into a local folder and copy it.")
    request = BuildRequest(
        recipe=resolved,
        sources=[absolute(folder) for folder in sources or default_sources(resolved.dataset.name)],
        annotations=[str(path) for path in annotations],
        out_dir=Path(out_dir or Path("shards") / resolved.name).absolute(),
        limit=limit,
        ffmpeg=absolute(ffmpeg) if ffmpeg else None,
    )
    return BuildResult(request.out_dir, build_shard_set(request, engine, on_event))


@dataclass(frozen=True)
class BuildRequest:
    """What to build, from what, into where; see `build`."""

    recipe: Recipe
    sources: list[str]
    annotations: list[str]
    out_dir: Path
    limit: int | None = None
    ffmpeg: str | None = None


def build_shard_set(request: BuildRequest, engine: RunShards, on_event: OnEvent) -> Manifest:
    """Build a shard set, or what is left of it, and return its manifest; see `build`."""
    inventory = take_inventory(request.recipe.dataset, request.sources, request.annotations)
    for split in SPLITS:
        if split not in inventory.lists:
            on_event({"event": "no list", "split": split})
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
    full_classes = inventory.dataset.labels.classes
    return carry_out(plan, request.out_dir, engine, on_event, full_classes, ffmpeg=request.ffmpeg)


def carry_out(
    plan: Plan,
    out_dir: Path,
    engine: RunShards,
    on_event: OnEvent,
    full_classes: tuple[str, ...],
    *,
    ffmpeg: str | None = None,
) -> Manifest:
    """Fill the shards of a plan that are not finished yet, and make them a shard set.

    Args:
        plan: Which video goes into which shard.
        out_dir: The shard set.
        engine: What fills shards.
        on_event: Told of each event.
        full_classes: Names of the full dataset in label order.
        ffmpeg: A binary of the user's.

    Raises:
        BuildError: If the folder holds another build, the disk is full, or no video could be used.
        BuildStopped: On Ctrl-C or SIGTERM; finished shards are kept.
    """
    with _exclusive(out_dir), _stop_says_how_to_go_on(), no_room_is_a_build_error(out_dir):
        _settle_plan(plan, out_dir)
        _build_pending(plan, out_dir, engine, on_event, ffmpeg)
        manifest = finalise(out_dir, plan, read_done(out_dir, plan.facts), full_classes)
    if not manifest.shards:
        raise BuildError(
            f"Not one of {plan.facts.num_videos:,} videos could be used. "
            f"See why: vidprep ledger {out_dir} --list rejected."
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


def _build_pending(
    plan: Plan, out_dir: Path, engine: RunShards, on_event: OnEvent, ffmpeg: str | None
) -> None:
    facts = plan.facts
    done = read_done(out_dir, facts)
    pending = [number for number in range(len(facts.shard_sizes)) if number not in done]
    if not pending:
        return
    (out_dir / MANIFEST).unlink(missing_ok=True)  # the set is not complete any more
    take_back(out_dir)
    _clear_leftovers(out_dir)
    tasks = [
        ShardTask(out_dir, number, facts.recipe.transcode, ffmpeg, facts.ffmpeg_version) for number in pending
    ]
    on_event(_planned(facts, done))
    with closing(BuildLog(out_dir)) as log, _logged_end(log, out_dir, facts):
        log.write(
            {"event": "start", "host": platform.node(), "pid": os.getpid(), "num_pending": len(pending)}
        )

        def report(event: dict[str, Any]) -> None:
            log.write(event)
            on_event(event)

        engine(tasks, report)


def _planned(facts: PlanFacts, done: dict[int, DoneShard]) -> dict[str, Any]:
    """Return the event with what lies ahead."""
    return {
        "event": "planned",
        "name": facts.recipe.name,
        "num_videos": facts.num_videos,
        "num_finished": sum(facts.shard_sizes[number] for number in done),
        "num_rejected": facts.num_rejected + sum(len(shard.rejected) for shard in done.values()),
    }


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
