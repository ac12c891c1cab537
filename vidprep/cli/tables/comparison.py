"""What `vidprep compare` prints, or writes as JSON, about two sets."""

from collections.abc import Hashable
from typing import Any

from rich.table import Table

from vidprep.shards.passports.comparison import RELATIONS, Comparison, why

_MAX_CLASSES = 10  # of those that differ most


def tables(found: Comparison) -> list[Table]:
    """Return the tables that are not empty: relations, why videos are not used, classes."""
    made = (relations_table(found), unused_table(found), classes_table(found))
    return [table for table in made if table.row_count]


def relations_table(found: Comparison) -> Table:
    """Return how many videos of each split are in each relation."""
    counts = found.counts()
    table = Table("", box=None, header_style="bold")
    for split in counts.columns:
        table.add_column(split, justify="right")
    table.add_column("")
    for relation, row in counts.iterrows():
        meaning = RELATIONS[str(relation)].replace("the first", "A").replace("the second", "B")
        table.add_row(str(relation), *(f"{count:,}" for count in row), meaning)
    return table


def unused_table(found: Comparison) -> Table:
    """Return how many annotated videos each set does not use, and why."""
    table = Table("not used", "split", box=None, header_style="bold")
    for name in ("A", "B"):
        table.add_column(name, justify="right")
    for row in found.unused().to_dict("records"):
        table.add_row(row["why"], row["split"], f"{row['first']:,}", f"{row['second']:,}")
    return table


def classes_table(found: Comparison) -> Table:
    """Return the classes in which the two hold different videos, those that differ most first."""
    rows = found.per_class()
    table = Table("class", "split", box=None, header_style="bold")
    for name in ("A", "B", "both"):
        table.add_column(name, justify="right")
    for row in rows[rows["only_one"] > 0].head(_MAX_CLASSES).to_dict("records"):
        table.add_row(row["class"], row["split"], *(f"{row[name]:,}" for name in ("first", "second", "both")))
    return table


def video_lines(found: Comparison, relation: str) -> list[str]:
    """Return a line for each video in a relation: how different the two are, or what became of each."""
    return [
        f"{row['split']} {row['video_id']}  {row['class']}{_facts(row)}" for row in _listed(found, relation)
    ]


def as_json(found: Comparison, relation: str | None) -> dict[str, object]:
    """Return a comparison as JSON values.

    Args:
        found: The comparison.
        relation: Also list the videos of this relation; None: only those of different_content.
    """
    classes = found.per_class()
    return {
        "first": found.first,
        "second": found.second,
        "same": found.is_same,
        "same_annotation": found.same_annotation,
        "same_classes": found.same_classes,
        "recipe_differences": list(found.recipe_differences),
        "relabelled": list(found.relabelled),
        "counts": {split: dict(column) for split, column in found.counts().astype(object).items()},
        "unused": found.unused().to_dict("records"),
        "classes_that_differ": classes[classes["only_one"] > 0].to_dict("records"),
        "different_content": [row["video_id"] for row in _listed(found, "different_content")],
        **({"videos": _listed(found, relation)} if relation else {}),
    }


def _listed(found: Comparison, relation: str) -> list[dict[Hashable, Any]]:
    rows = found.rows[found.rows["relation"] == relation]
    rows = rows.assign(first=why(rows, "first"), second=why(rows, "second"))
    columns = ["split", "video_id", "class", "differing_bits", "first", "second"]
    return rows[columns].astype(object).where(rows[columns].notna(), None).to_dict("records")


def _facts(row: dict[Hashable, Any]) -> str:
    if row["differing_bits"] >= 0:
        return f"  {row['differing_bits']} of 192 bits"
    sides = {"A": row["first"], "B": row["second"]}
    said = ", ".join(f"{name} {what or 'not annotated'}" for name, what in sides.items() if what != "used")
    return f"  {said}" if said else ""
