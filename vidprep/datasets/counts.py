"""The audit: an inventory in numbers, beside what Table A counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vidprep.datasets.inventory import Inventory, take_inventory
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.mini import resolve_recipe
from vidprep.recipes.recipe import Recipe


@dataclass(frozen=True)
class SplitAudit:
    """The accounting of one split: `present + missing + rejected = annotated`.

    Attributes:
        split: "train", "validation"; "test" or "" only where extra videos lie in such folders.
        annotated: Records of the recipe's classes.
        expected: Table A's count, or None where it has none.
        difference: Annotated minus expected, or None where nothing is expected or no list was given.
        present: Videos that are there.
        missing: Videos that are not; like `present` and `extra` None when no source was given.
        rejected: Videos that are not to be used.
        reasons: Number of the rejected per reason.
        extra: Videos in folders of the split that no list names.
    """

    split: str
    annotated: int
    expected: int | None
    difference: int | None
    present: int | None
    missing: int | None
    rejected: int
    reasons: dict[str, int]
    extra: int | None


@dataclass(frozen=True)
class Audit:
    """An inventory in numbers.

    Attributes:
        inventory: Every annotated video, with what was found of it.
        splits: The numbers of each split.
        remarks: What a reader of the numbers has to know.
    """

    inventory: Inventory
    splits: list[SplitAudit]
    remarks: "list[Remark]"


def audit(
    recipe: Recipe | Path | str,
    *,
    sources: Sequence[str | Path] = (),
    annotations: Sequence[str | Path] = (),
    class_list: Path | None = None,
) -> Audit:
    """Count annotated, present, missing and rejected videos, beside what the paper's Table A counts.

        found = vidprep.audit("demo", sources=["raw/ssv2"])
        for split in found.splits:
            print(split.split, split.annotated, split.present, split.missing, split.rejected)

    Args:
        recipe: A recipe, or the name or path of a pipeline.
        sources: Folders of raw videos; a later one fills the gaps of the earlier. None: only the annotation
            is checked.
        annotations: Annotation files or folders; none given: looked for in the sources.
        class_list: A text file with classes of one's own, one a line.

    Raises:
        AnnotationError: If a list is missing or wrong.
        RecipeError: If the pipeline or the class list is wrong.
        SourceError: If a source is missing or does not look like the dataset.
    """
    stage = resolve_recipe(recipe, class_list=class_list).dataset
    inventory = take_inventory(stage, [str(path) for path in sources], [str(path) for path in annotations])
    return Audit(inventory, audit_splits(inventory), audit_remarks(inventory))


@dataclass(frozen=True)
class Remark:
    """Something to know about an inventory.

    Attributes:
        level: "note", or "warning" where a published number cannot be reproduced from it.
    """

    level: str
    text: str


def audit_splits(inventory: Inventory) -> list[SplitAudit]:
    """Count an inventory, split by split."""
    elsewhere = [split for split in ("test", "") if split in inventory.extra]
    return [_audit_split(inventory, split) for split in (*SPLITS, *elsewhere)]


def audit_remarks(inventory: Inventory) -> list[Remark]:
    """Return what a reader of the numbers has to know."""
    remarks = [
        Remark("note", f"No list of the split '{split}' was given.")
        for split in SPLITS
        if split not in inventory.lists
    ]
    for audit in audit_splits(inventory):
        if audit.difference:
            remarks.append(_difference(inventory, audit))
    return remarks + _empty_classes(inventory)


def first_examples(inventory: Inventory, status: str, count: int = 5) -> pd.DataFrame:
    """Return the first rows of one status, a few of each reason."""
    rows = inventory.rows[inventory.rows["status"] == status]
    return rows.groupby("reason", sort=True).head(count)


def used_per_source(inventory: Inventory) -> dict[str, int]:
    """Return how many present videos each source folder holds, in the order given."""
    present = inventory.rows[inventory.rows["status"] == "present"]
    counts = present["source_dir"].value_counts().to_dict()
    return {source: int(counts.get(source, 0)) for source in inventory.sources}


def _audit_split(inventory: Inventory, split: str) -> SplitAudit:
    rows = inventory.rows[inventory.rows["split"] == split]
    counts = rows["status"].value_counts().to_dict()
    reasons = rows["reason"][rows["status"] == "rejected"].value_counts().sort_index().to_dict()
    expected, extra = inventory.expected.get(split), inventory.extra.get(split)
    looked = bool(inventory.sources)
    return SplitAudit(
        split=split,
        annotated=len(rows),
        expected=expected,
        difference=None if expected is None or split not in inventory.lists else len(rows) - expected,
        present=counts.get("present", 0) if looked else None,
        missing=counts.get("missing", 0) if looked else None,
        rejected=counts.get("rejected", 0),
        reasons={str(reason): count for reason, count in reasons.items()},
        extra=(extra.num_videos if extra else 0) if looked else None,
    )


def _difference(inventory: Inventory, audit: SplitAudit) -> Remark:
    what = f"{audit.split}: {audit.annotated:,} annotated, Table A has {audit.expected:,}"
    if inventory.dataset.name == "k400":
        # Copies of Kinetics differ from each other: for K400 a difference is no error.
        return Remark("note", f"{what}. YouTube videos vanish: crawls of Kinetics differ.")
    return Remark("warning", f"{what}. The official lists agree with it to the row; this is not all of them.")


def _empty_classes(inventory: Inventory) -> list[Remark]:
    remarks = []
    for split in inventory.lists:
        there = set(inventory.rows["class"][inventory.rows["split"] == split])
        absent = [name for name in inventory.classes if name not in there]
        if absent:
            share = f"{len(absent)} of {len(inventory.classes)} classes"
            remarks.append(Remark("note", f"{split}: {share} have no video, e.g. '{absent[0]}'."))
    return remarks
