"""`vidprep verify`, `explain`, `ledger`, `passport` and `compare`: look at shard sets."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidprep.cli.options import ShardsDir

if TYPE_CHECKING:
    from rich.table import Table

    from vidprep.shards.passports.comparison import Comparison

_MAX_CLASSES = 10  # of those that differ most


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

    from vidprep.cli.display import StepProgress
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

    from vidprep.cli.display import accounting_table
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


def passport(
    shards_dir: ShardsDir,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write it. Default: NAME.passport.parquet."),
    ] = None,
) -> None:
    """Write down which videos a shard set holds, in a small file without a frame, to be published.

    `vidprep compare` tells what two passports have in common. The content of a set that has no passport of
    its own is decoded once.
    """
    from rich.console import Console

    from vidprep.cli.display import StepProgress
    from vidprep.shards.manifest import read_manifest
    from vidprep.shards.passports.making import hash_contents, passport_of
    from vidprep.shards.passports.passport import PASSPORT, read_passport, write_passport

    if (shards_dir / PASSPORT).is_file():
        found = read_passport(shards_dir / PASSPORT)
    else:
        num_videos = sum(total.used for total in read_manifest(shards_dir).totals.values())
        with StepProgress(num_videos, "videos", Console(stderr=True)) as progress:
            contents = hash_contents(shards_dir, on_video=lambda done, _: progress.step(done, "decoding"))
        found = passport_of(shards_dir, contents=contents)
    path = out or Path(f"{found.head.recipe.name}.passport.parquet")
    write_passport(found, path)
    totals = ", ".join(
        f"{name} {total.used:,} of {total.annotated:,}" for name, total in found.head.totals.items()
    )
    typer.echo(f"{path}: {totals} videos used; sha256 of its rows {found.head.sha256[:12]}.")


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A shard set or a passport.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one of the same dataset.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    show: Annotated[
        str | None,
        typer.Option("--list", metavar="RELATION", help="Also list these videos, e.g. different_content."),
    ] = None,
) -> None:
    """Compare two shard sets, or their passports, video by video; exit 1 if they do not hold the same."""
    from rich.console import Console

    from vidprep.shards.passports.comparison import RELATIONS, compare_passports
    from vidprep.shards.passports.making import open_passport

    if show is not None and show not in RELATIONS:
        raise typer.BadParameter(f"{show!r} is none of {', '.join(RELATIONS)}.", param_hint="--list")
    try:
        found = compare_passports(open_passport(first), open_passport(second))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=1))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for line in _sentences(found):
            console.print(line, markup=False)
        console.print(_relations_table(found))
        if (table := _classes_table(found)).row_count:
            console.print(table)
        if show is not None:
            for row in found.rows[found.rows["relation"] == show].to_dict("records"):
                bits = f"  {row['differing_bits']} of 192 bits" if row["differing_bits"] >= 0 else ""
                console.print(f"{row['split']} {row['video_id']}  {row['class']}{bits}", markup=False)
    raise typer.Exit(0 if found.is_same else 1)


def _sentences(found: "Comparison") -> list[str]:
    lines = [f"A  {found.first}", f"B  {found.second}"]
    lines.append("Both annotate the same videos." if found.same_annotation else "Their annotations differ.")
    if not found.same_classes:
        lines.append("Their class lists differ: labels of one mean other classes in the other.")
    if found.relabelled:
        lines.append(f"{len(found.relabelled):,} videos have different classes, e.g. {found.relabelled[0]}.")
    return [*lines, *(f"differs  {difference}" for difference in found.recipe_differences)]


def _relations_table(found: "Comparison") -> "Table":
    from rich.table import Table

    from vidprep.shards.passports.comparison import RELATIONS

    counts = found.counts()
    table = Table("", box=None, header_style="bold")
    for split in counts.columns:
        table.add_column(split, justify="right")
    table.add_column("")
    for relation, row in counts.iterrows():
        meaning = RELATIONS[str(relation)].replace("the first", "A").replace("the second", "B")
        table.add_row(str(relation), *(f"{count:,}" for count in row), meaning)
    return table


def _classes_table(found: "Comparison") -> "Table":
    """Return the classes of which the two hold different videos, those that differ most first."""
    from rich.table import Table

    rows = found.per_class()
    table = Table("class", "split", box=None, header_style="bold")
    for name in ("A", "B", "both"):
        table.add_column(name, justify="right")
    for row in rows[rows["only_one"] > 0].head(_MAX_CLASSES).to_dict("records"):
        table.add_row(row["class"], row["split"], *(f"{row[name]:,}" for name in ("first", "second", "both")))
    return table


def _as_json(found: "Comparison") -> dict[str, object]:
    return {
        "first": found.first,
        "second": found.second,
        "same": found.is_same,
        "same_annotation": found.same_annotation,
        "same_classes": found.same_classes,
        "recipe_differences": list(found.recipe_differences),
        "relabelled": list(found.relabelled),
        "counts": {split: dict(column) for split, column in found.counts().astype(object).items()},
        "different_content": found.rows.loc[
            found.rows["relation"] == "different_content", "video_id"
        ].tolist(),
    }
