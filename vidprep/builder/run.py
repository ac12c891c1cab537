"""Carry out a plan: build the shards that are not built yet, then finalise. It can stop and be resumed."""

import os
import platform
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from vidprep.builder.engines.engine import RunShards
from vidprep.builder.finalise import finalise
from vidprep.builder.full_disk import full_disk_as_build_error
from vidprep.builder.job_array.gather import check_same_plan, gather_shares
from vidprep.builder.plan import Plan, PlanFacts, describe_difference
from vidprep.builder.shard_task import ShardTask
from vidprep.builder.transcoding.scratch import remove_abandoned_scratch
from vidprep.builder.workspace.archive_indexes import index_dir_of, keep_archive_indexes
from vidprep.builder.workspace.finished import DoneShard, read_done, take_back
from vidprep.builder.workspace.lock import ask_to_stop, exclusive, forget_stop
from vidprep.builder.workspace.log import BuildLog
from vidprep.builder.workspace.plan_file import planned_facts, shard_source_bytes, write_plan
from vidprep.builder.workspace.unfinished import clear_unfinished, num_kept_videos
from vidprep.datasets.archives.listing import ArchiveOptions
from vidprep.datasets.checksums.lists import read_checksums, with_checksums
from vidprep.datasets.inventory import Inventory, take_inventory
from vidprep.errors import BuildError, BuildStopped, RecipeError, VidprepError
from vidprep.recipes.classes import dataset_of, label_sets
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.recipe import Recipe
from vidprep.shards.layout import MANIFEST
from vidprep.shards.manifest import Extension, Manifest
from vidprep.stop_signals import StopSignals

_GO_ON = "Run the same command again to go on."

OnEvent = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class BuildResult:
    """A finished shard set, or, in a job array, one task's share of it.

    Attributes:
        out_dir: Its folder, or its URL.
        finished: The manifest; None while other tasks of a job array are at work.
        extension: What was added, if the set was extended and anything came of it; else None.
        num_newly_there: Videos that are missing in the set and were found in the sources; `extend` adds them.
        num_shards_left: Shards that other tasks of a job array have not finished yet.
    """

    out_dir: Path | str
    finished: Manifest | None
    extension: Extension | None = None
    num_newly_there: int = 0
    num_shards_left: int = 0

    @property
    def manifest(self) -> Manifest:
        """What the set is, what it was made from, and the accounting of each split.

        Raises:
            BuildError: If other tasks of a job array have not finished it yet.
        """
        if self.finished is None:
            raise BuildError(f"{self.out_dir} is not finished: other tasks of its job array are at work.")
        return self.finished


@dataclass(frozen=True)
class BuildRequest:
    """What to build, from what, into where; see `from_raw.build`."""

    recipe: Recipe
    sources: list[str]
    annotations: list[str]
    out_dir: Path
    limit: int | None = None
    ffmpeg: str | None = None
    checksums: tuple[Path | str, ...] = ()


def inventory_of(request: BuildRequest, out_dir: Path, on_event: OnEvent) -> Inventory:
    """Find out which annotated videos are there; events tell of new archives and of missing lists.

    Args:
        request: What to build.
        out_dir: The folder that is built into, which keeps what was read from archives.
        on_event: Called with each event.
    """

    def report_archive(name: str) -> None:
        on_event({"event": "archive", "name": name})

    archives = ArchiveOptions(index_dir_of(out_dir), report_archive)
    inventory = take_inventory(
        request.recipe.dataset, request.sources, request.annotations, archives=archives
    )
    for problem in inventory.problems:
        on_event({"event": "archive problem", "problem": problem})
    for split in SPLITS:
        if split not in inventory.lists:
            on_event({"event": "no list", "split": split})
    _check_copy(request.recipe, inventory)
    return _checksummed(inventory, request, on_event) if request.checksums else inventory


def _checksummed(inventory: Inventory, request: BuildRequest, on_event: OnEvent) -> Inventory:
    """Note the expected checksum of each source; an event tells of those that no list names."""
    rows, unlisted = with_checksums(inventory.rows, read_checksums(request.checksums))
    if unlisted.num_videos:
        on_event({"event": "unlisted", "num_videos": unlisted.num_videos, "example": unlisted.example})
    return replace(inventory, rows=rows)


def with_found_dataset(request: BuildRequest, inventory: Inventory) -> BuildRequest:
    """Return the request with what the inventory found of a dataset of your own: its classes."""
    recipe = request.recipe.model_copy(update={"dataset": inventory.stage})
    return replace(request, recipe=recipe)


def _check_copy(recipe: Recipe, inventory: Inventory) -> None:
    has_parts = "segment" in inventory.rows and (inventory.rows["segment"] != "").any()
    if recipe.transcode.mode == "copy" and (has_parts or inventory.dataset.videos.image_folders):
        what = "parts of videos" if has_parts else "folders of images"
        raise RecipeError(
            f'transcode.mode = "copy" keeps files whole, samples of {inventory.dataset.title} are {what}. '
            "Use --set transcode.mode=encode."
        )


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
        engine: Builds shards; see `choose_engine`.
        on_event: Called with each event.
        full_classes: Names of the full dataset in label order.
        ffmpeg: Path of the user's FFmpeg; None: the one that comes with vidprep.

    Raises:
        BuildError: If the folder holds another build, the disk is full, or no video could be used.
        BuildStopped: On Ctrl-C or SIGTERM; finished shards are kept.
    """
    with working_in(out_dir):
        done = fill_shards(plan, out_dir, engine, on_event, ffmpeg)
        manifest = finalise(out_dir, plan, done, full_classes)
    if not manifest.shards:
        raise BuildError(
            f"Not one of {plan.facts.num_videos:,} videos could be used. "
            f"See why: vidprep ledger {out_dir} --list rejected."
        )
    return manifest


@contextmanager
def working_in(out_dir: Path, *, finished_set: bool = False) -> Iterator[None]:
    """Lock a folder for one build; if a signal or a full disk stops it, the error says how to go on.

    Args:
        out_dir: The folder.
        finished_set: Whether the folder may also hold a finished set without the files that its build kept.
    """
    alone = exclusive(out_dir, finished_set=finished_set)
    with alone, _explain_how_to_go_on(), full_disk_as_build_error(out_dir):
        yield


def fill_shards(
    plan: Plan,
    out_dir: Path,
    engine: RunShards,
    on_event: OnEvent,
    ffmpeg: str | None,
    numbers: Sequence[int] | None = None,
) -> dict[int, DoneShard]:
    """Fill those shards of a plan that are not finished yet.

    Args:
        plan: Which video goes into which shard.
        out_dir: The folder to work in.
        engine: Builds shards; see `choose_engine`.
        on_event: Called with each event.
        ffmpeg: Path of the user's FFmpeg; None: the one that comes with vidprep.
        numbers: Numbers of the shards to fill; None: all of the plan.

    Returns:
        Every finished shard, by number.

    Raises:
        BuildError: If shards of another plan are finished already.
    """
    _settle_plan(plan, out_dir, on_event)
    keep_archive_indexes(plan, out_dir)
    gather_shares(out_dir, plan.facts)
    done = read_done(out_dir, plan.facts)
    wanted = range(len(plan.facts.shard_sizes)) if numbers is None else numbers
    pending = [number for number in wanted if number not in done]
    if pending:
        (out_dir / MANIFEST).unlink(missing_ok=True)  # the set is not complete any more
        take_back(out_dir)
        on_event(_planned(plan.facts, done, wanted))
        run_tasks(plan.facts, out_dir, pending, engine, on_event, ffmpeg)
    return read_done(out_dir, plan.facts)


def run_tasks(
    facts: PlanFacts,
    out_dir: Path,
    numbers: list[int],
    engine: RunShards,
    on_event: OnEvent,
    ffmpeg: str | None,
) -> None:
    """Have some shards of a plan built, and the log written."""
    _clear_leftovers(out_dir, numbers)
    dataset = facts.recipe.dataset
    videos = dataset_of(dataset).videos
    run = uuid.uuid4().hex[:8]
    source_bytes = shard_source_bytes(out_dir)
    tasks = [
        ShardTask(
            out_dir,
            number,
            facts.recipe.transcode,
            ffmpeg,
            facts.ffmpeg_version,
            frame_rate=videos.frame_rate,
            label_sets=label_sets(dataset),
            run=run,
            source_bytes=source_bytes[number],
        )
        for number in numbers
    ]
    with closing(BuildLog(out_dir)) as log, _logged_end(log, out_dir, facts, len(tasks)):
        log.write({"event": "start", "host": platform.node(), "pid": os.getpid(), "num_pending": len(tasks)})

        def report(event: dict[str, Any]) -> None:
            log.write(event)
            on_event(event)

        try:
            with _stop_asked_by_file(out_dir, on_event):
                engine(tasks, report)
        finally:
            remove_abandoned_scratch()
    clear_unfinished(out_dir)  # left by workers that were given up


def _settle_plan(plan: Plan, out_dir: Path, on_event: OnEvent) -> None:
    """Make this plan the folder's, unless shards of another one are finished already."""
    check_same_plan(out_dir, plan.facts)
    planned = planned_facts(out_dir)
    if planned is not None and (difference := describe_difference(planned, plan.facts)):
        on_event({"event": "planned anew", "difference": difference})
    write_plan(plan, out_dir)  # even if it is the same plan: the sources may have moved


def _planned(facts: PlanFacts, done: dict[int, DoneShard], wanted: Sequence[int]) -> dict[str, Any]:
    """Return the event that tells how many videos and shards are planned and done."""
    finished = [number for number in wanted if number in done]
    return {
        "event": "planned",
        "name": facts.recipe.name,
        "num_videos": sum(facts.shard_sizes[number] for number in wanted),
        "num_finished": sum(facts.shard_sizes[number] for number in finished),
        "num_rejected": facts.num_rejected + sum(len(done[number].rejected) for number in finished),
    }


@contextmanager
def _logged_end(log: BuildLog, out_dir: Path, facts: PlanFacts, num_pending: int) -> Iterator[None]:
    """Log how a run ends that fails or is stopped, and say how to go on."""
    num_before = len(read_done(out_dir, facts))
    try:
        yield
    except (KeyboardInterrupt, BuildStopped) as error:
        num_done = len(read_done(out_dir, facts))
        log.write({"event": "stop", "num_done": num_done})
        raise BuildStopped(
            f"Stopped. {num_done:,} of {num_before + num_pending:,} shards are finished and kept, and "
            f"{num_kept_videos(out_dir):,} videos of others. {_GO_ON}",
            getattr(error, "signal_number", signal.SIGINT),
        ) from error
    except VidprepError as error:
        log.write({"event": "error", "message": str(error)})
        raise


def _clear_leftovers(out_dir: Path, pending: list[int]) -> None:
    """Remove what a run that was killed could not remove itself."""
    forget_stop(out_dir)
    clear_unfinished(out_dir, pending)
    remove_abandoned_scratch()


@contextmanager
def _stop_asked_by_file(out_dir: Path, on_event: OnEvent) -> Iterator[None]:
    """Have workers, wherever they are, stop after the videos in hand when a signal asks this process to.

    An exception in the midst of Dask would leave workers behind, so the signal is only written down.
    """

    def ask(number: signal.Signals) -> None:
        ask_to_stop(out_dir)
        on_event({"event": "stopping"})

    with StopSignals(ask) as signals:
        try:
            yield
        except BuildStopped as error:
            raise BuildStopped(str(error), signals.received or error.signal_number) from error


@contextmanager
def _explain_how_to_go_on() -> Iterator[None]:
    """Let Ctrl-C, and SIGTERM, which batch systems send first, end in a message that says how to go on."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise BuildStopped(f"Stopped by signal {signum}. {_GO_ON}", signum)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        raise BuildStopped(f"Stopped. {_GO_ON}", signal.SIGINT) from error
    finally:
        signal.signal(signal.SIGTERM, before)
