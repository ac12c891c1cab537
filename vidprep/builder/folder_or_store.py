"""What one call of `build` does once it knows the videos: in a folder, or in an object store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vidprep.builder.engines.engine import RunShards, build_nothing
from vidprep.builder.extending.extend import extend_set
from vidprep.builder.extending.repair import is_extended, is_finished, repair, without_newcomers
from vidprep.builder.job_array.share import Share, build_share, fill_share
from vidprep.builder.places.in_store import building_in_store
from vidprep.builder.plan import Plan, plan_build
from vidprep.builder.run import (
    BuildRequest,
    BuildResult,
    OnEvent,
    carry_out,
    inventory_of,
    with_found_dataset,
)
from vidprep.datasets.inventory import Inventory
from vidprep.errors import BuildBusy, SourceError
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg
from vidprep.shards.manifest import Manifest


@dataclass(frozen=True)
class Wanted:
    """How the videos are to be built.

    Attributes:
        engine: Builds shards; see `choose_engine`.
        on_event: Called with each event.
        share: The share of the shards to build, in a job array; None: all.
        extend: Whether a finished set is extended.
        retry: With `extend`: reasons of rejection for which videos are tried again.
    """

    engine: RunShards
    on_event: OnEvent
    share: Share | None = None
    extend: bool = False
    retry: Sequence[str] = ()


@dataclass(frozen=True)
class _Planned:
    request: BuildRequest
    inventory: Inventory
    plan: Plan
    num_newly_there: int

    def complete(self, engine: RunShards, on_event: OnEvent) -> Manifest:
        """Fill all shards and make the set."""
        classes = self.inventory.dataset.labels.classes
        request = self.request
        return carry_out(self.plan, request.out_dir, engine, on_event, classes, ffmpeg=request.ffmpeg)


def build_in_folder(request: BuildRequest, wanted: Wanted) -> BuildResult:
    """Build, or extend, the set in the folder of a request.

    Raises:
        VidprepError: As `build`.
    """
    engine, on_event = wanted.engine, wanted.on_event
    if wanted.extend:
        return extend_set(request, engine, on_event, wanted.retry)
    planned = _plan(request, on_event)
    request, plan = planned.request, planned.plan
    newly = planned.num_newly_there
    if is_extended(request.out_dir):
        manifest = repair(request, plan, planned.inventory.rows, engine, on_event)
        return BuildResult(request.out_dir, manifest, num_newly_there=newly)
    if wanted.share is None:
        manifest = planned.complete(engine, on_event)
        return BuildResult(request.out_dir, manifest, num_newly_there=newly)
    finished, num_left = build_share(
        plan,
        request.out_dir,
        wanted.share,
        engine,
        on_event,
        lambda: planned.complete(build_nothing, on_event),
        ffmpeg=request.ffmpeg,
    )
    return BuildResult(request.out_dir, finished, None, newly, num_left)


def build_in_store(request: BuildRequest, url: str, wanted: Wanted) -> BuildResult:
    """Build, or extend, the set that lies at a URL; see `places.in_store`.

    Raises:
        VidprepError: As `build`.
    """
    url = url.rstrip("/")
    if wanted.share is not None:
        return _build_share_in_store(request, url, wanted, wanted.share)
    with building_in_store(url, wanted.on_event, finished_set=wanted.extend) as build:
        engine = build.engine(wanted.engine)
        result = build_in_folder(replace(request, out_dir=build.folder), replace(wanted, engine=engine))
    return replace(result, out_dir=url)


def _build_share_in_store(request: BuildRequest, url: str, wanted: Wanted, share: Share) -> BuildResult:
    """Fill one share of the shards, straight into the set's place; the last task makes the set."""
    with building_in_store(url, wanted.on_event, share=str(share)) as build:
        planned = _plan(replace(request, out_dir=build.folder), wanted.on_event)
        numbers = share.shards(len(planned.plan.facts.shard_sizes))
        engine = build.engine(wanted.engine)
        num_left = fill_share(
            planned.plan,
            build.folder,
            numbers,
            engine,
            wanted.on_event,
            look=build.look,
            ffmpeg=request.ffmpeg,
        )
    if num_left:
        return BuildResult(url, None, None, planned.num_newly_there, num_left)
    try:
        return build_in_store(request, url, replace(wanted, share=None, engine=build_nothing))
    except BuildBusy:  # another task found all shards finished, too, and makes the set
        return BuildResult(url, None)


def _plan(request: BuildRequest, on_event: OnEvent) -> _Planned:
    inventory = inventory_of(request, request.out_dir, on_event)
    request = with_found_dataset(request, inventory)
    rows, num_newly_there = inventory.rows, 0
    if is_finished(request.out_dir):
        # The set was planned without the videos that turned up later.
        rows, num_newly_there = without_newcomers(request, inventory.rows)
    plan = plan_build(
        request.recipe,
        rows,
        inventory.classes,
        ffmpeg_version=ffmpeg_version(find_ffmpeg(request.ffmpeg)),
        limit=request.limit,
    )
    if not plan.facts.num_videos:
        raise SourceError(
            f"Nothing to build: none of the {len(plan.rows):,} annotated videos is under "
            f"{', '.join(request.sources)}. See `vidprep audit`."
        )
    return _Planned(request, inventory, plan, num_newly_there)
