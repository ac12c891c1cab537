"""`vidprep build`, `build-mini` and `status`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidprep.cli.options import (
    Annotations,
    ClassList,
    DatasetFile,
    FromCsv,
    FromFolders,
    Overrides,
    Root,
    ShardsDirOrUrl,
    Sources,
    ValFraction,
    ValSeed,
    check_videos_named,
)

if TYPE_CHECKING:
    from vidprep.builder.run import BuildResult
    from vidprep.recipes.recipe import Recipe

Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Worker processes on this machine.", show_default="one per core"),
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Use a running Dask scheduler, e.g. tcp://node7:8786.")
]
Sync = Annotated[
    bool, typer.Option("--sync", help="One video after the other in this process; for debugging.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many videos of each split, for a try.")]
FFmpeg = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Another FFmpeg than the pinned one that comes with vidprep."),
]
Extend = Annotated[
    bool,
    typer.Option("--extend", help="Add to a finished set the videos that were missing and are there now."),
]
Retry = Annotated[
    str | None,
    typer.Option(
        metavar="REASON,...",
        help="With --extend: also try anew the videos rejected for these reasons, e.g. crashed,timed_out.",
    ),
]

Array = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Build the I-th of N shares only, beside the other tasks of a job array.",
    ),
]
Finalise = Annotated[
    bool,
    typer.Option("--finalise", help="Only make the set of shards that a job array has finished; build none."),
]
Checksums = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="List of sha256sum or md5sum: videos that differ are rejected; repeatable."
    ),
]


def build(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A pipeline's name (see `vidprep pipelines`) or a TOML file.", show_default="the defaults"
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR|URL", help="The shard set. Default: shards/NAME.")
    ] = None,
    source: Sources = None,
    annotations: Annotations = None,
    class_list: ClassList = None,
    dataset: DatasetFile = None,
    from_folders: FromFolders = None,
    from_csv: FromCsv = None,
    root: Root = None,
    val_fraction: ValFraction = 0.1,
    seed: ValSeed = 0,
    workers: Workers = None,
    scheduler: Scheduler = None,
    sync: Sync = False,
    limit: Limit = None,
    ffmpeg: FFmpeg = None,
    extend: Extend = False,
    retry: Retry = None,
    checksums: Checksums = None,
    array: Array = None,
    finalise: Finalise = False,
    overrides: Overrides = None,
) -> None:
    """Turn raw videos into a shard set; the same command resumes a build that was stopped.

    Every annotated video ends up used, missing or rejected with a reason: see `vidprep ledger`. --extend adds
    shards behind those of a finished set; `--generation 1` of other commands then reads it as it was.
    One's own videos need no pipeline: vidprep build --from-folders DIR.
    """
    check_videos_named(name, dataset, from_folders, from_csv)
    _check_engine(workers, scheduler, sync)
    _check_array(array, finalise=finalise, extend=extend, scheduler=scheduler)
    _build(
        name,
        out,
        sources=source or (),
        annotations=annotations or (),
        class_list=class_list,
        overrides=overrides or (),
        dataset=dataset,
        from_folders=from_folders,
        from_csv=from_csv or (),
        root=root,
        val_fraction=val_fraction,
        val_seed=seed,
        workers=workers,
        scheduler=scheduler,
        in_process=sync,
        limit=limit,
        ffmpeg=ffmpeg,
        extend=extend,
        retry=_reasons(retry, extend),
        checksums=checksums or (),
        array=array,
        finalise=finalise,
    )


def build_mini(
    src: Annotated[str, typer.Option(metavar="ssv2|k400", help="Which full dataset the videos are of.")],
    classes: Annotated[
        int | None, typer.Option(help="87 of ssv2, 200 of k400.", show_default="the subset's")
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR|URL", help="The shard set. Default: shards/NAME.")
    ] = None,
    source: Sources = None,
    annotations: Annotations = None,
    class_list: ClassList = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    sync: Sync = False,
    limit: Limit = None,
    ffmpeg: FFmpeg = None,
    extend: Extend = False,
    retry: Retry = None,
    checksums: Checksums = None,
    array: Array = None,
    finalise: Finalise = False,
    overrides: Overrides = None,
) -> None:
    """Build Mini-SSv2 or Mini-K400: `vidprep build-mini --src k400 --classes 200`.

    Needs no paths when the videos lie where $VIDPREP_SSV2 / $VIDPREP_K400 says, or in data/ssv2 / data/k400.
    """
    from vidprep.recipes.mini import mini_recipe

    _check_engine(workers, scheduler, sync)
    _check_array(array, finalise=finalise, extend=extend, scheduler=scheduler)
    _build(
        mini_recipe(src, classes, class_list, overrides),
        out,
        sources=source or (),
        annotations=annotations or (),
        workers=workers,
        scheduler=scheduler,
        in_process=sync,
        limit=limit,
        ffmpeg=ffmpeg,
        extend=extend,
        retry=_reasons(retry, extend),
        checksums=checksums or (),
        array=array,
        finalise=finalise,
    )


def status(
    shards_dir: ShardsDirOrUrl,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show how far a build is: while it runs, after a crash, or when it is done."""
    from dataclasses import asdict

    from rich.console import Console

    from vidprep.builder.status import read_status
    from vidprep.durations import format_seconds

    state = read_status(shards_dir)
    if as_json:
        typer.echo(json.dumps(asdict(state), indent=1))
        return
    lines = [
        f"{shards_dir}: {state.state}" + (f", generation {state.generation}" if state.generation > 1 else ""),
        f"  shards    {state.num_shards_done:,} of {state.num_shards:,} done",
        f"  videos    {state.num_videos_done:,} of {state.num_videos:,} done, "
        f"{state.num_rejected:,} rejected, {state.num_missing:,} missing, {state.num_suspect:,} suspect",
    ]
    if state.eta_seconds is not None:
        lines.append(
            f"  speed     {state.videos_per_second:.1f} videos/s, ETA {format_seconds(state.eta_seconds)}"
        )
    if state.num_tasks_running:
        lines.append(f"  tasks     {state.num_tasks_running:,} of a job array at work")
    if state.log_problem:
        lines.append(f"  log       {state.log_problem}.")
    if state.state == "stopped":
        if state.last_event and state.last_event["event"] == "error":
            lines.append(f"  error     {state.last_event['message']}")
        lines.append("  Run the same build again to go on; of a job array, the tasks that were stopped.")
    Console(highlight=False, soft_wrap=True).print("\n".join(lines), markup=False)


def _check_engine(workers: int | None, scheduler: str | None, sync: bool) -> None:
    if sum((workers is not None, scheduler is not None, sync)) > 1:
        raise typer.BadParameter("--workers, --scheduler and --sync exclude each other.")


def _check_array(array: str | None, **others: Any) -> None:
    from vidprep.builder.from_raw import check_array

    try:
        check_array(array, **others)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--array" if array else "--finalise") from error


def _reasons(retry: str | None, extend: bool) -> list[str]:
    from vidprep.builder.extending.candidates import check_retry

    reasons = [reason.strip() for reason in (retry or "").split(",") if reason.strip()]
    try:
        check_retry(reasons, extend=extend)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--retry") from error
    return reasons


def _build(recipe: "Recipe | str | None", out: str | None, **options: Any) -> None:
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import BuildProgress, accounting_table
    from vidprep.shards.ledger import read_ledger
    from vidprep.shards.transfer.likeness import is_beside_shards, local_likeness

    console = Console(highlight=False)
    with BuildProgress(console) as progress:
        result = vidprep.build(recipe, out, on_event=progress.update, **options)
    if result.finished is None:
        console.print(_share_sentence(options["array"], result), markup=False, soft_wrap=True)
        return
    with local_likeness(result.out_dir, wanted=is_beside_shards) as folder:
        ledger = read_ledger(folder)
    console.print(accounting_table(ledger))
    num_suspect = sum(word != "" for word in ledger["suspect"].to_pylist())
    if num_suspect:
        console.print(
            f"{num_suspect:,} used videos look damaged: vidprep ledger {result.out_dir} --list suspect",
            markup=False,
            soft_wrap=True,
        )
    for line in _news(result, extend=options["extend"]):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"Shard set: {result.out_dir}", markup=False, soft_wrap=True)


def _share_sentence(array: str, result: "BuildResult") -> str:
    share = f"Task {array.replace('/', ' of ')} has finished its share"
    if not result.num_shards_left:
        return f"{share}; another process makes the set."
    return (
        f"{share}. {result.num_shards_left:,} shards of other tasks are not finished yet; the last task "
        f"makes the set. See: vidprep status {result.out_dir}"
    )


def _news(result: "BuildResult", *, extend: bool) -> list[str]:
    """Return what an extension came to, or what one would add."""
    if result.extension is not None:
        one = result.extension
        added = sum(one.num_added.values())
        return [
            f"Generation {one.generation}: {one.why}; {added:,} used in {len(one.shards):,} new shards, "
            f"{sum(one.num_rejected.values()):,} rejected."
        ]
    if extend:
        return [f"Nothing to add: this stays generation {result.manifest.generation}."]
    if result.num_newly_there:
        missing = sum(total.missing for total in result.manifest.totals.values())
        return [
            f"{result.num_newly_there:,} of {missing:,} missing videos are there now: --extend adds them "
            "in new shards."
        ]
    return []
