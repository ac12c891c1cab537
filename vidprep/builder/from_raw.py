"""Build a shard set from raw videos: take inventory, plan, carry out the plan."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from vidprep.builder.engines.engine import build_nothing, choose_engine
from vidprep.builder.extending.candidates import check_retry
from vidprep.builder.folder_or_store import Wanted, build_in_folder, build_in_store
from vidprep.builder.job_array.share import Share
from vidprep.builder.progress.metrics import serving_metrics
from vidprep.builder.run import BuildRequest, BuildResult, OnEvent
from vidprep.datasets.folders import absolute, default_sources
from vidprep.keywords import shows_keywords_of
from vidprep.recipes.own_videos import VideoChoice, choose_videos
from vidprep.recipes.recipe import Recipe
from vidprep.shards.transfer.outline import is_url


@shows_keywords_of(choose_videos)
def build(
    recipe: Recipe | Path | str | None = None,
    out_dir: Path | str | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    in_process: bool = False,
    slurm: str | None = None,
    limit: int | None = None,
    ffmpeg: Path | str | None = None,
    extend: bool = False,
    retry: Sequence[str] = (),
    checksums: Sequence[Path | str] = (),
    array: str | None = None,
    finalise: bool = False,
    metrics_port: int | None = None,
    on_event: OnEvent = lambda event: None,
    **videos: Unpack[VideoChoice],
) -> BuildResult:
    """Turn raw videos into a shard set, build what is left of it, or extend a finished one.

    Every annotated video ends up used, missing or rejected with a reason. The same call resumes a build that
    was stopped. A script that starts worker processes needs `if __name__ == "__main__":` around the call.

        result = vidprep.build("demo", "shards/new", sources=["raw/ssv2"], in_process=True)
        print(result.manifest.totals["train"].used)

    Args:
        recipe: A recipe, or the name or path of a pipeline; your own videos need none.
        out_dir: The shard set, a folder or a URL such as "s3://bucket/k400"; None: `shards/NAME`.
        sources: Folders of raw videos; a later one fills the gaps of the earlier. None given: where
            $VIDPREP_NAME points (VIDPREP_SSV2, ...), else data/NAME.
        annotations: Annotation files or folders; none given: looked for in the sources.
        class_list: A text file with classes of your own, one a line.
        overrides: `table.key=value` settings of the recipe.
        dataset: A dataset file of your own, instead of the recipe's dataset.
        from_folders: Your own videos: a folder for each class, or `train/` and `val/` with such folders.
        from_csv: Lists of your videos: the header `path,label[,split][,start,end]`, or "path label" lines.
        root: The folder that the paths in these lists are relative to.
        val_fraction: Share (0 to 1) of your own videos that goes into the validation split, if neither
            folders nor lists name the splits. A hash of seed and id decides about each video.
        val_seed: The seed of that hash.
        workers: Number of worker processes on this machine; None: one per core.
        scheduler: Address of a running Dask scheduler whose workers build instead.
        in_process: Build one video after the other in this process; for debugging.
        slurm: Jobs whose workers build instead, e.g. "nodes=4,cores=8,time=04:00:00" (the names are nodes,
            cores, time, partition, account, memory).
        limit: Take at most this many videos of each split, to try a build; None: all.
        ffmpeg: Path of another FFmpeg than the one that comes with vidprep.
        extend: Add to a finished set the videos that were missing and are there now, in new shards behind
            the old ones: the set's next generation. The old shards stay as they are.
        retry: With `extend`: also try again the videos that were rejected for these reasons, e.g. "crashed".
        checksums: Lists as sha256sum and md5sum write them; a video that differs is rejected.
        array: "3/8": build the third of eight shares of the shards, beside other processes, on other
            machines too, that build the others into the same folder. The last one makes the set.
        finalise: Build no shard; only make the set, if all shards are finished.
        metrics_port: Serve Prometheus metrics of the build on this port of 127.0.0.1; 0: on any free one.
        on_event: Called with each event, perhaps from another thread: a dictionary with the word `event`
            ("shard", "video", "done", ...) and facts about it. Most are also lines of the build's log.

    Returns:
        The result, whose `manifest` describes the finished set.

    Raises:
        BuildStopped: On Ctrl-C or SIGTERM.
        ValueError: If more than one of `workers`, `scheduler`, `slurm` and `in_process` is given; if `array`
            or `finalise` is given with the other, `extend`, `scheduler` or `slurm`; if a reason in `retry` is
            unknown or given without `extend`; if `metrics_port` is no port number.
        VidprepError: Whatever else prevents it; finished shards are kept.
    """
    check_retry(retry, extend=extend)
    check_array(array, finalise=finalise, extend=extend, scheduler=scheduler or slurm)
    engine = choose_engine(workers=workers, scheduler=scheduler, in_process=in_process, slurm=slurm)
    chosen = choose_videos(recipe, **videos)
    resolved = chosen.recipe
    request = BuildRequest(
        recipe=resolved,
        sources=[absolute(folder) for folder in chosen.sources or default_sources(resolved.dataset.name)],
        annotations=chosen.annotations,
        out_dir=Path() if is_url(out_dir) else Path(out_dir or Path("shards") / resolved.name).absolute(),
        limit=limit,
        ffmpeg=absolute(ffmpeg) if ffmpeg else None,
        checksums=tuple(checksums),
    )
    with serving_metrics(metrics_port, on_event) as counted:
        wanted = Wanted(
            engine=build_nothing if finalise else engine,
            on_event=counted,
            share=Share.parse(array) if array else None,
            extend=extend,
            retry=tuple(retry),
        )
        if is_url(out_dir):
            return build_in_store(request, str(out_dir), wanted)
        return build_in_folder(request, wanted)


def check_array(array: str | None, *, finalise: bool, extend: bool, scheduler: str | None) -> None:
    """Check that the arguments of a job array are not combined with ones that exclude them.

    Raises:
        ValueError: If `array` is malformed, or given with an argument that excludes it.
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
