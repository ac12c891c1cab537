"""`vidprep audit`: is the dataset complete, and does it have the published number of videos?"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidprep.cli.options import VideoOptions

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from vidprep.datasets.audit_counts import Audit, SplitAudit
    from vidprep.datasets.checksums.check import ChecksumCheck, OnFile
    from vidprep.datasets.inventory import Inventory


@dataclass(frozen=True)
class AuditedVideos(VideoOptions):
    """Options that say which videos are meant; without a source, only the annotation is checked."""

    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR",
            help="Folder of raw videos; repeatable, a later one fills the gaps of the earlier. "
            "Without any: where $VIDPREP_SSV2, $VIDPREP_K400, ... points.",
        ),
    ] = None


def audit(
    name: Annotated[
        str | None, typer.Argument(help="A pipeline, e.g. mini_k400, or the path of a TOML file.")
    ] = None,
    *,
    videos: AuditedVideos,
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="List the samples shared with another pipeline's dataset."),
    ] = None,
    against_annotations: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="That dataset's annotation; repeatable.")
    ] = None,
    checksums: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="List of checksums (sha256sum, md5sum): compare the videos in it; exit 1 if one differs; "
            "repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count annotated, present, missing and rejected videos, and compare with what was published.

    Without --source and $VIDPREP_NAME (VIDPREP_SSV2, VIDPREP_K400, ...) only the annotation is checked.
    """
    videos.check_named(name)
    from rich.console import Console

    import vidprep

    messages = Console(stderr=True)
    with _checking(messages, wanted=bool(checksums)) as on_checked:
        found = vidprep.audit(
            name,
            **videos.choice(),
            on_archive=lambda archive: messages.print(f"Listing {archive}; this is done once.", markup=False),
            checksums=checksums or (),
            on_checked=on_checked,
        )
    shared = _shared(found, against, against_annotations)
    if as_json:
        more = {} if shared is None else {"shared": shared.to_dict(orient="records")}
        print(json.dumps(_as_json(found) | more, indent=2))
    else:
        _print(found, Console())
        if shared is not None:
            _print_shared(shared, str(against), Console())
    if found.checksums and found.checksums.mismatches:
        raise typer.Exit(1)


@contextmanager
def _checking(console: "Console", *, wanted: bool) -> "Iterator[OnFile]":
    """Show the progress of comparing checksums, if any are compared."""
    from vidprep.cli.display import StepProgress

    if not wanted:
        yield lambda done, total: None
        return
    with StepProgress(0, "videos", console) as progress:
        yield lambda done, total: progress.update(done, total, "comparing checksums")


def _shared(found: "Audit", against: str | None, annotations: list[str] | None) -> "pd.DataFrame | None":
    """Return the samples shared with another dataset; None if none was named."""
    if against is None:
        return None
    import vidprep
    from vidprep.datasets.leakage import shared_videos

    if not annotations:
        raise typer.BadParameter(f"{against} has lists, too: give them.", param_hint="--against-annotations")
    other = vidprep.audit(against, annotations=annotations)
    return shared_videos(found.inventory.rows, other.inventory.rows)


def _print_shared(shared: "pd.DataFrame", against: str, console: "Console") -> None:
    from rich.markup import escape

    for (split, other), pairs in shared.groupby(["split", "other_split"]):
        num_samples = pairs["video_id"].nunique()
        console.print(
            f"shared with {against}: {num_samples:,} samples of {split} are in its {other}", soft_wrap=True
        )
        for row in pairs.head(5).itertuples(index=False):
            line = (
                f"  {row.video_id} '{row[2]}' is {row.other_id} "
                f"'{row.other_class}', {row.overlap_seconds:g} s in common"
            )
            console.print(escape(line), highlight=False, soft_wrap=True)
    if shared.empty:
        console.print(f"shared with {against}: nothing")


def _as_json(found: "Audit") -> dict[str, Any]:
    from vidprep.datasets.audit_counts import first_examples, used_per_source

    inventory = found.inventory
    columns = ["split", "video_id", "class", "reason", "detail", "source_dir", "source"]
    return {
        "dataset": inventory.dataset.name,
        "num_classes": len(inventory.classes),
        "lists": inventory.lists,
        "splits": [asdict(split) for split in found.splits],
        "sources": used_per_source(inventory),
        "remarks": [asdict(remark) for remark in found.remarks],
        "examples": {
            status: first_examples(inventory, status)[columns].to_dict(orient="records")
            for status in _example_statuses(inventory)
        },
        "extra": {split: asdict(extra) for split, extra in inventory.extra.items()},
    } | ({"checksums": asdict(found.checksums)} if found.checksums else {})


def _print(found: "Audit", console: "Console") -> None:
    """Print the table, then the remarks; file names are escaped, as rich would take brackets for markup."""
    from rich.markup import escape

    from vidprep.datasets.audit_counts import used_per_source

    inventory = found.inventory
    console.print(_table(inventory, found.splits))
    for split, path in inventory.lists.items():
        console.print(f"{split}: {escape(path)}", highlight=False, soft_wrap=True)
    if not inventory.sources:
        variable = f"$VIDPREP_{inventory.dataset.name.upper()}"
        console.print(f"Videos were not looked for: pass --source DIR, or set {variable}.", soft_wrap=True)
    if len(inventory.sources) > 1:
        for source, count in used_per_source(inventory).items():
            console.print(f"used from {escape(source)}: {count:,}", highlight=False, soft_wrap=True)
    for remark in found.remarks:
        style = "bold yellow" if remark.level == "warning" else ""
        console.print(f"{remark.level}: {escape(remark.text)}", style=style, highlight=False, soft_wrap=True)
    _print_examples(inventory, console)
    if found.checksums:
        _print_checksums(found.checksums, console)


def _print_checksums(checked: "ChecksumCheck", console: "Console") -> None:
    for mismatch in checked.mismatches:
        console.print(f"wrong checksum: {mismatch}", markup=False, highlight=False, soft_wrap=True)
    num_wrong, unlisted = len(checked.mismatches), checked.unlisted
    verdict = f"{num_wrong:,} differ" if num_wrong else "all as the lists say"
    line = f"checksums: {checked.num_checked:,} videos compared, {verdict}"
    if unlisted.num_videos:
        line += f"; {unlisted.num_videos:,} are in no list, unchecked, e.g. {unlisted.example}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(inventory: "Inventory", splits: "list[SplitAudit]") -> Any:
    from rich.table import Table

    columns: dict[str, list[int | None]] = {
        "annotated": [split.annotated for split in splits],
        f"expected ({inventory.dataset.counts_from})": [split.expected for split in splits],
        "difference": [split.difference for split in splits],
        "present": [split.present for split in splits],
        "missing": [split.missing for split in splits],
        "rejected": [split.rejected for split in splits],
    }
    reasons = sorted({reason for split in splits for reason in split.reasons})
    columns |= {f"  {reason}": [split.reasons.get(reason, 0) for split in splits] for reason in reasons}
    columns["extra"] = [split.extra for split in splits]
    table = Table("", title=f"{inventory.dataset.title}, {len(inventory.classes)} classes")
    for split in splits:
        table.add_column(split.split or "no split folder", justify="right", no_wrap=True)
    for heading, values in columns.items():
        if any(value is not None for value in values):
            table.add_row(heading, *(_number(value, signed=heading == "difference") for value in values))
    return table


def _number(value: int | None, *, signed: bool) -> str:
    if value is None:
        return "-"
    return f"{value:+,}" if signed and value else f"{value:,}"


def _example_statuses(inventory: "Inventory") -> tuple[str, ...]:
    return ("missing", "rejected") if inventory.sources else ("rejected",)


def _print_examples(inventory: "Inventory", console: "Console") -> None:
    from rich.markup import escape

    from vidprep.datasets.audit_counts import first_examples

    for status in _example_statuses(inventory):
        for row in first_examples(inventory, status).itertuples(index=False):
            parts = [f"{status} {row.split}/{row.video_id}", str(row.reason), str(row.detail)]
            line = ": ".join(part for part in parts if part)
            console.print(escape(line), highlight=False, soft_wrap=True)
    for split, extra in inventory.extra.items():
        where = f"in {split} folders" if split else "outside split folders"
        examples = escape(", ".join(extra.examples))
        line = f"extra {where}: {extra.num_videos:,}, e.g. {examples}"
        console.print(line, highlight=False, soft_wrap=True)
