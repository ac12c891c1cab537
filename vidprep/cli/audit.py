"""`vidprep audit`: is the dataset complete, and does it count what Table A counts?"""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidprep.cli.options import Annotations, ClassList

if TYPE_CHECKING:
    from rich.console import Console

    from vidprep.datasets.counts import Audit, SplitAudit
    from vidprep.datasets.inventory import Inventory


def audit(
    name: Annotated[str, typer.Argument(help="A pipeline, e.g. mini_k400, or the path of a TOML file.")],
    annotations: Annotations = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR",
            help="Folder of raw videos; repeatable, a later one fills the gaps of the earlier. "
            "Without any, only the annotation is checked.",
        ),
    ] = None,
    class_list: ClassList = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count annotated, present, missing and rejected videos, and compare with Table A.

    Without --source only the annotation is checked.
    """
    from rich.console import Console

    import vidprep

    found = vidprep.audit(name, sources=source or (), annotations=annotations or (), class_list=class_list)
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
    else:
        _print(found, Console())


def _as_json(found: "Audit") -> dict[str, Any]:
    from dataclasses import asdict

    from vidprep.datasets.counts import first_examples, used_per_source

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
    }


def _print(found: "Audit", console: "Console") -> None:
    """Print the table, then what has to be said about it; file names are escaped, they are not markup."""
    from rich.markup import escape

    from vidprep.datasets.counts import used_per_source

    inventory = found.inventory
    console.print(_table(inventory, found.splits))
    for split, path in inventory.lists.items():
        console.print(f"{split}: {escape(path)}", highlight=False, soft_wrap=True)
    if not inventory.sources:
        console.print("Videos were not looked for: pass --source DIR to count them.")
    if len(inventory.sources) > 1:
        for source, count in used_per_source(inventory).items():
            console.print(f"used from {escape(source)}: {count:,}", highlight=False, soft_wrap=True)
    for remark in found.remarks:
        style = "bold yellow" if remark.level == "warning" else ""
        console.print(f"{remark.level}: {escape(remark.text)}", style=style, highlight=False, soft_wrap=True)
    _print_examples(inventory, console)


def _table(inventory: "Inventory", splits: "list[SplitAudit]") -> Any:
    from rich.table import Table

    columns: dict[str, list[int | None]] = {
        "annotated": [split.annotated for split in splits],
        "expected (Table A)": [split.expected for split in splits],
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

    from vidprep.datasets.counts import first_examples

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
