"""`vidprep verify`, `explain` and `ledger`: look at a shard set."""

from pathlib import Path
from typing import Annotated

import typer

from vidprep.cli.options import ShardsDir


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

    from vidprep.cli.progress import StepProgress
    from vidprep.shards.checks import verify as check
    from vidprep.shards.manifest import read_manifest

    num_shards = len(read_manifest(shards_dir).shards)
    with StepProgress(num_shards, "shards", Console(stderr=True)) as progress:
        found = check(
            shards_dir,
            decode=decode,
            num_workers=workers,
            on_shard=lambda done, _: progress.step(done, "verifying"),
        )
    console = Console(highlight=False, soft_wrap=True)
    for problem in found.problems:
        console.print(problem, markup=False)
    decoded = ", every frame decoded" if decode else ""
    verdict = f"{len(found.problems)} problems" if found.problems else "all as the manifest says"
    console.print(f"{found.num_shards:,} shards, {found.num_samples:,} samples{decoded}: {verdict}")
    raise typer.Exit(1 if found.problems else 0)


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
