"""`vidprep verify`, `explain` and `ledger`: look at a shard set."""

from pathlib import Path
from typing import Annotated

import typer

from vidprep.cli.options import ShardsDir
from vidprep.machine import num_cores


def verify(
    shards_dir: ShardsDir,
    decode: Annotated[
        bool, typer.Option("--decode", help="Also decode every video and count its frames.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read shards.", show_default="one per core")
    ] = None,
) -> None:
    """Check a shard set against its manifest: sizes, hashes, members, counts; exit 1 if anything is off."""
    from rich.console import Console
    from rich.progress import Progress

    from vidprep.shards.manifest import read_manifest
    from vidprep.shards.verify import verify as find_problems

    manifest = read_manifest(shards_dir)
    problems: list[str] = []
    console = Console(highlight=False, soft_wrap=True)
    num_workers = workers or num_cores()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("verifying", total=len(manifest.shards) + 1)
        for found in find_problems(shards_dir, decode=decode, num_workers=num_workers):
            problems += found
            progress.advance(bar)
    for problem in problems:
        console.print(problem, markup=False)
    num_samples = sum(shard.num_samples for shard in manifest.shards)
    checked = f"{len(manifest.shards):,} shards, {num_samples:,} samples{', every frame decoded' * decode}"
    console.print(
        f"{checked}: {len(problems)} problems" if problems else f"{checked}: all as the manifest says"
    )
    raise typer.Exit(1 if problems else 0)


def explain(
    shards_dir: ShardsDir,
    video: Annotated[str, typer.Argument(metavar="KEY_OR_VIDEO_ID", help="E.g. train-12345, or 12345.")],
) -> None:
    """Tell one video's whole story, from annotation to shard."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from vidprep.builder.explain import explain as tell

    console = Console(highlight=False)
    for story in tell(shards_dir, video):
        table = Table.grid(padding=(0, 2))
        for what, value in story:
            table.add_row(Text(what, style="dim"), Text(value, overflow="fold"))
        console.print(table)
        console.print()


def ledger(
    shards_dir: ShardsDir,
    show: Annotated[
        str | None,
        typer.Option("--list", metavar="STATUS", help="Also list the videos: missing, rejected or used."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all rows as CSV.")] = None,
) -> None:
    """Show what became of every annotated video: used, missing, or rejected and why."""
    from rich.console import Console

    from vidprep.cli.accounting import accounting_table
    from vidprep.shards.ledger import STATUSES, read_ledger

    if show is not None and show not in STATUSES:
        raise typer.BadParameter(f"{show!r} is none of {', '.join(STATUSES)}.", param_hint="--list")
    table = read_ledger(shards_dir)
    console = Console(highlight=False, soft_wrap=True)
    console.print(accounting_table(table))
    if show:
        for row in table.to_pylist():
            if row["status"] == show:
                why = f"{row['reason']}: {row['detail']}" if row["reason"] else row["detail"]
                name = row["key"] or f"{row['split']}/{row['video_id']!r}"
                console.print(f"{name}  {row['class']}  {why}", markup=False)
    if csv:
        table.to_pandas().to_csv(csv, index=False)
        console.print(f"{table.num_rows:,} rows written to {csv}", markup=False)
