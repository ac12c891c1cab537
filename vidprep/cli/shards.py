"""`vidprep verify`, `explain`, `ledger`, `passport` and `compare`: look at shard sets."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vidprep.cli.options import Generation, ShardsDirOrUrl, VideoOptions


def verify(
    shards_dir: ShardsDirOrUrl,
    decode: Annotated[
        bool, typer.Option("--decode", help="Also decode every video and count its frames.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read shards.", show_default="one per core")
    ] = None,
) -> None:
    """Check a shard set against its manifest: sizes, hashes, members, counts; exit 1 if anything differs."""
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import StepProgress

    with StepProgress(0, "shards", Console(stderr=True)) as progress:
        found = vidprep.verify(
            shards_dir,
            decode=decode,
            num_workers=workers,
            on_shard=lambda done, total: progress.update(done, total, "verifying"),
        )
    console = Console(highlight=False, soft_wrap=True)
    for problem in found.problems:
        console.print(problem, markup=False)
    decoded = ", every frame decoded" if decode else ""
    verdict = f"{len(found.problems)} problems" if found.problems else f"all as the {found.against} says"
    console.print(f"{found.num_shards:,} shards, {found.num_samples:,} samples{decoded}: {verdict}")
    raise typer.Exit(1 if found.problems else 0)


def explain(
    shards_dir: ShardsDirOrUrl,
    video: Annotated[str, typer.Argument(metavar="KEY_OR_VIDEO_ID", help="E.g. train-12345, or 12345.")],
) -> None:
    """Show everything that is known about one video, from annotation to shard."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    import vidprep

    console = Console(highlight=False)
    for story in vidprep.explain(shards_dir, video):
        table = Table.grid(padding=(0, 2))
        for what, value in story:
            table.add_row(Text(what, style="dim"), Text(value, overflow="fold"))
        console.print(table)
        console.print()


def ledger(
    shards_dir: ShardsDirOrUrl,
    show: Annotated[
        str | None,
        typer.Option(
            "--list", metavar="STATUS", help="Also list the videos: missing, rejected, used or suspect."
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all rows as CSV.")] = None,
    generation: Generation = None,
) -> None:
    """Show what became of every annotated video: used, missing, or rejected and why."""
    from rich.console import Console

    from vidprep.cli.display import accounting_table
    from vidprep.shards.layout import MANIFEST
    from vidprep.shards.ledger import STATUSES, read_ledger
    from vidprep.shards.manifest import read_manifest
    from vidprep.shards.transfer.outline import is_beside_shards, local_outline

    if show is not None and show not in (*STATUSES, "suspect"):
        raise typer.BadParameter(f"{show!r} is none of {', '.join(STATUSES)}, suspect.", param_hint="--list")
    with local_outline(shards_dir, wanted=is_beside_shards) as folder:
        table = read_ledger(folder, generation)
        history = read_manifest(folder, generation).history if (folder / MANIFEST).is_file() else ()
    console = Console(highlight=False, soft_wrap=True)
    console.print(accounting_table(table))
    for one in history:
        added = sum(one.num_added.values())
        console.print(
            f"Generation {one.generation}, {one.date[:10]}: {one.why}; {added:,} used.", markup=False
        )
    if show:
        for row in table.to_pylist():
            if row["status"] == show or (show == "suspect" and row["suspect"]):
                why = f"{row['reason']}: {row['detail']}" if row["reason"] else row["detail"]
                name = row["key"] or f"{row['split']}/{row['video_id']!r}"
                console.print(f"{name}  {row['class']}  {why}", markup=False)
    if csv:
        table.to_pandas().to_csv(csv, index=False)
        console.print(f"{table.num_rows:,} rows written to {csv}", markup=False)


@dataclass(frozen=True)
class PassportVideos(VideoOptions):
    """Options that say which raw videos are meant; without any, a shard set is meant."""

    source: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Folder of raw videos, instead of a shard set; repeatable."),
    ] = None

    def are_raw(self) -> bool:
        """Tell whether raw videos are meant."""
        return bool(self.source or self.dataset or self.from_folders or self.from_csv)

    def named_after(self) -> Path | None:
        """Return the folder or file that a passport of videos of your own is named after."""
        return self.dataset or self.from_folders or (self.from_csv[0] if self.from_csv else None)


def passport(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="SET|PIPELINE", help="A shard set: folder or URL. With --source, a pipeline: mini_k400."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write it. Default: NAME.passport.parquet."),
    ] = None,
    *,
    videos: PassportVideos,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Raw videos that are decoded at a time.", show_default="one per core"),
    ] = None,
) -> None:
    """Write a passport: a small file to publish that tells which videos a shard set holds, without frames.

    `vidprep compare` tells what two passports have in common. With --source, or videos of your own, raw
    videos are decoded and nothing is built; the same command resumes a stopped one.
    """
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import StepProgress

    is_raw = videos.are_raw()
    if not is_raw and (videos.annotations or videos.class_list or videos.overrides or workers):
        raise typer.BadParameter("is for raw videos: give --source DIR, too.", param_hint="--annotations")
    named_after = what or videos.named_after()
    if named_after is None:
        raise typer.BadParameter("give a shard set, or videos with --source DIR.", param_hint="SET|PIPELINE")
    path = out or Path(f"{Path(named_after).resolve().name.removesuffix('.toml')}.passport.parquet")
    with StepProgress(0, "videos", Console(stderr=True)) as progress:

        def step(done: int, total: int) -> None:
            progress.update(done, total, "looking at")

        if is_raw:
            found = vidprep.passport_of_raw(what, path, **videos.choice(), workers=workers, on_video=step)
        else:
            found = vidprep.passport(named_after, path, on_video=step)
    totals = ", ".join(
        f"{name} {total.used:,} of {total.annotated:,}" for name, total in found.head.totals.items()
    )
    typer.echo(f"{path}: {totals} videos used; sha256 of its rows {found.head.sha256[:12]}.")


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A shard set (folder or URL) or a passport.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one of the same dataset.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    show: Annotated[
        str | None,
        typer.Option(
            "--list", metavar="RELATION", help="Also list these videos, e.g. only_first or different_content."
        ),
    ] = None,
) -> None:
    """Compare two shard sets, or their passports, video by video; exit 1 if they do not hold the same."""
    from rich.console import Console

    import vidprep
    from vidprep.cli.tables.comparison import as_json as to_json
    from vidprep.cli.tables.comparison import tables, video_lines
    from vidprep.shards.passports.comparison import RELATIONS

    if show is not None and show not in RELATIONS:
        raise typer.BadParameter(f"{show!r} is none of {', '.join(RELATIONS)}.", param_hint="--list")
    try:
        found = vidprep.compare(first, second)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        typer.echo(json.dumps(to_json(found, show), indent=1))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for line in (f"A  {found.first}", f"B  {found.second}", *found.sentences()):
            console.print(line, markup=False)
        for table in tables(found):
            console.print(table)
        for line in video_lines(found, show) if show else ():
            console.print(line, markup=False)
    raise typer.Exit(0 if found.is_same else 1)
