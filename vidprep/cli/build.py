"""`vidprep build`, `build-mini` and `status`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidprep.cli.options import Annotations, ClassList, Overrides, ShardsDir, Sources

if TYPE_CHECKING:
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


def build(
    name: Annotated[str, typer.Argument(help="A pipeline's name (see `vidprep pipelines`) or a TOML file.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The shard set. Default: shards/NAME.")
    ] = None,
    source: Sources = None,
    annotations: Annotations = None,
    class_list: ClassList = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    sync: Sync = False,
    limit: Limit = None,
    ffmpeg: FFmpeg = None,
    overrides: Overrides = None,
) -> None:
    """Turn raw videos into a shard set; the same command resumes a build that was stopped.

    Every annotated video ends up used, missing or rejected with a reason: see `vidprep ledger`.
    """
    from vidprep.recipes.mini import resolve_recipe

    _check_engine(workers, scheduler, sync)
    recipe = resolve_recipe(name, class_list=class_list, overrides=overrides or ())
    _build(
        recipe,
        out,
        sources=source or (),
        annotations=annotations or (),
        workers=workers,
        scheduler=scheduler,
        in_process=sync,
        limit=limit,
        ffmpeg=ffmpeg,
    )


def build_mini(
    src: Annotated[str, typer.Option(metavar="ssv2|k400", help="Which full dataset the videos are of.")],
    classes: Annotated[
        int | None, typer.Option(help="87 of ssv2, 200 of k400.", show_default="the subset's")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The shard set. Default: shards/NAME.")
    ] = None,
    source: Sources = None,
    annotations: Annotations = None,
    class_list: ClassList = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    sync: Sync = False,
    limit: Limit = None,
    ffmpeg: FFmpeg = None,
    overrides: Overrides = None,
) -> None:
    """Build Mini-SSv2 or Mini-K400: `vidprep build-mini --src k400 --classes 200`.

    Needs no paths when the videos lie where $VIDPREP_SSV2 / $VIDPREP_K400 says, or in data/ssv2 / data/k400.
    """
    from vidprep.recipes.mini import mini_recipe

    _check_engine(workers, scheduler, sync)
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
    )


def status(
    shards_dir: ShardsDir,
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
        f"{shards_dir}: {state.state}",
        f"  shards    {state.num_shards_done:,} of {state.num_shards:,} done",
        f"  videos    {state.num_videos_done:,} of {state.num_videos:,} done, "
        f"{state.num_rejected:,} rejected, {state.num_missing:,} missing",
    ]
    if state.eta_seconds is not None:
        lines.append(
            f"  speed     {state.videos_per_second:.1f} videos/s, ETA {format_seconds(state.eta_seconds)}"
        )
    if state.state == "stopped":
        if state.last_event and state.last_event["event"] == "error":
            lines.append(f"  error     {state.last_event['message']}")
        lines.append("  Run the same build again to go on.")
    Console(highlight=False, soft_wrap=True).print("\n".join(lines), markup=False)


def _check_engine(workers: int | None, scheduler: str | None, sync: bool) -> None:
    if sum((workers is not None, scheduler is not None, sync)) > 1:
        raise typer.BadParameter("--workers, --scheduler and --sync exclude each other.")


def _build(recipe: "Recipe", out: Path | None, **options: Any) -> None:
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import BuildProgress, accounting_table
    from vidprep.shards.ledger import read_ledger

    if out and ":/" in str(out):
        raise typer.BadParameter(
            f"{out} is a URL. Build into a local folder and copy it.", param_hint="--out"
        )
    console = Console(highlight=False)
    with BuildProgress(console) as progress:
        result = vidprep.build(recipe, out, on_event=progress.update, **options)
    console.print(accounting_table(read_ledger(result.out_dir)))
    console.print(f"Shard set: {result.out_dir}", markup=False, soft_wrap=True)
