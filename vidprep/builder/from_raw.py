"""A shard set from raw videos: take inventory, plan, and have the plan carried out."""

from collections.abc import Sequence
from pathlib import Path

from vidprep.builder.engine import RunShards, build_nothing, choose_engine
from vidprep.builder.extending.candidates import check_retry
from vidprep.builder.extending.extend import extend_set
from vidprep.builder.extending.repair import is_extended, is_finished, repair, without_newcomers
from vidprep.builder.job_array.share import Share, build_share
from vidprep.builder.plan import plan_build
from vidprep.builder.run import (
    BuildRequest,
    BuildResult,
    OnEvent,
    carry_out,
    inventory_of,
    with_found_dataset,
)
from vidprep.datasets.folders import absolute, default_sources
from vidprep.errors import BuildError, SourceError
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg
from vidprep.recipes.own import choose_videos
from vidprep.recipes.recipe import Recipe
from vidprep.shards.manifest import Manifest

# What to do about an output that is a URL, when building and when extending.
LOCAL_FIRST = {
    False: "Build into a local folder, then `vidprep push` it.",
    True: "Extend a copy on a local disk (`vidprep pull`), then `vidprep push` it.",
}


def build(
    recipe: Recipe | Path | str | None = None,
    out_dir: Path | str | None = None,
    *,
    sources: Sequence[str | Path] = (),
    annotations: Sequence[str | Path] = (),
    class_list: Path | None = None,
    overrides: Sequence[str] = (),
    dataset: Path | str | None = None,
    from_folders: Path | str | None = None,
    from_csv: Sequence[Path | str] = (),
    root: Path | str | None = None,
    val_fraction: float = 0.1,
    val_seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    in_process: bool = False,
    limit: int | None = None,
    ffmpeg: Path | str | None = None,
    extend: bool = False,
    retry: Sequence[str] = (),
    checksums: Sequence[Path | str] = (),
    array: str | None = None,
    finalise: bool = False,
    on_event: OnEvent = lambda event: None,
) -> BuildResult:
    """Turn raw videos into a shard set, build what is left of it, or extend a finished one.

    Every annotated video ends up used, missing or rejected with a reason; the same call goes on where a
    build was stopped. A script that starts worker processes needs `if __name__ == "__main__":` around it.

        result = vidprep.build("demo", "shards/new", sources=["raw/ssv2"], in_process=True)
        print(result.manifest.totals["train"].used)

    Args:
        recipe: A recipe, or the name or path of a pipeline; one's own videos need none.
        out_dir: The shard set; None: `shards/NAME`.
        sources: Folders of raw videos; a later one fills the gaps of the earlier. None given: where
            $VIDPREP_NAME points (VIDPREP_SSV2, ...), else data/NAME.
        annotations: Annotation files or folders; none given: looked for in the sources.
        class_list: A text file with classes of one's own, one a line.
        overrides: `table.key=value` settings of the recipe.
        dataset: A dataset file of one's own, instead of the recipe's dataset.
        from_folders: One's own videos: a folder for each class, or `train/` and `val/` with such folders.
        from_csv: Or lists with the header `path,label[,split][,start,end]`, or of "path label" lines.
        root: The folder that paths of such lists are below.
        val_fraction: Share of one's own videos that validate, where nothing tells their split.
        val_seed: Of the hash of their ids that decides.
        workers: Processes on this machine; None: one per core.
        scheduler: Address of a running Dask scheduler whose workers build instead.
        in_process: One video after the other in this process; for debugging.
        limit: Videos of each split at most, for a try.
        ffmpeg: A binary of the user's instead of the one that comes with vidprep.
        extend: Add to a finished set the videos that were missing and are there now, in new shards behind
            the old ones: the set's next generation. The old shards stay as they are.
        retry: With `extend`: also try anew the videos that were rejected for these reasons, e.g. "crashed".
        checksums: Lists as sha256sum and md5sum write them; a video that differs is rejected.
        array: "3/8": build the third of eight shares of the shards, beside other processes, on other
            machines too, that build the others into the same folder. The last one makes the set.
        finalise: Only make the set of shards that are finished already.
        on_event: Told of each event, as the log of the build has them; from another thread, too.

    Returns:
        The finished set.

    Raises:
        BuildStopped: On Ctrl-C or SIGTERM.
        ValueError: If more than one of workers, scheduler and in_process is asked for, if a reason of
            `retry` is unknown or comes without `extend`, or if `array` or `finalise` come with what they
            exclude.
        VidprepError: Whatever else prevents it; finished shards are kept.
    """
    check_retry(retry, extend=extend)
    check_array(array, finalise=finalise, extend=extend, scheduler=scheduler)
    engine = choose_engine(workers=workers, scheduler=scheduler, in_process=in_process)
    chosen = choose_videos(
        recipe,
        sources=sources,
        annotations=annotations,
        class_list=class_list,
        overrides=overrides,
        dataset=dataset,
        from_folders=from_folders,
        from_csv=from_csv,
        root=root,
        val_fraction=val_fraction,
        val_seed=val_seed,
    )
    resolved = chosen.recipe
    if out_dir is not None and ":/" in str(out_dir):
        raise BuildError(f"{out_dir} is a URL. {LOCAL_FIRST[extend]}")
    request = BuildRequest(
        recipe=resolved,
        sources=[absolute(folder) for folder in chosen.sources or default_sources(resolved.dataset.name)],
        annotations=chosen.annotations,
        out_dir=Path(out_dir or Path("shards") / resolved.name).absolute(),
        limit=limit,
        ffmpeg=absolute(ffmpeg) if ffmpeg else None,
        checksums=tuple(checksums),
    )
    if extend:
        return extend_set(request, engine, on_event, retry)
    if finalise:
        return _build(request, build_nothing, on_event)
    return _build(request, engine, on_event, Share.parse(array) if array else None)


def check_array(array: str | None, *, finalise: bool, extend: bool, scheduler: str | None) -> None:
    """Check what a job array excludes.

    Raises:
        ValueError: If `array` is no share, or comes with what it excludes.
    """
    if array is not None:
        Share.parse(array)
    others = {
        "array": array is not None,
        "finalise": finalise,
        "extend": extend,
        "scheduler": bool(scheduler),
    }
    given = [name for name, is_given in others.items() if is_given]
    if (array is not None or finalise) and len(given) > 1:
        raise ValueError(f"{' and '.join(given)} exclude each other.")


def _build(
    request: BuildRequest, engine: RunShards, on_event: OnEvent, share: Share | None = None
) -> BuildResult:
    inventory = inventory_of(request, request.out_dir, on_event)
    request = with_found_dataset(request, inventory)
    rows, num_newly_there = inventory.rows, 0
    if is_finished(request.out_dir):
        # The plan was made without those that came later.
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
    if is_extended(request.out_dir):
        manifest = repair(request, plan, inventory.rows, engine, on_event)
        return BuildResult(request.out_dir, manifest, num_newly_there=num_newly_there)

    def complete(engine: RunShards) -> Manifest:
        classes = inventory.dataset.labels.classes
        return carry_out(plan, request.out_dir, engine, on_event, classes, ffmpeg=request.ffmpeg)

    if share is None:
        return BuildResult(request.out_dir, complete(engine), num_newly_there=num_newly_there)
    finished, num_left = build_share(
        plan,
        request.out_dir,
        share,
        engine,
        on_event,
        lambda: complete(build_nothing),
        ffmpeg=request.ffmpeg,
    )
    return BuildResult(request.out_dir, finished, None, num_newly_there, num_left)
