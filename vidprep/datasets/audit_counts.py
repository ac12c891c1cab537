"""The audit: an inventory in numbers, beside what was published."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import pandas as pd

from vidprep.datasets.archives.listing import ArchiveOptions
from vidprep.datasets.checksums.check import ChecksumCheck, OnFile, check_checksums
from vidprep.datasets.folders import sources_of_environment
from vidprep.datasets.inventory import Inventory, take_inventory
from vidprep.keywords import shows_keywords_of
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.own_videos import VideoChoice, choose_videos
from vidprep.recipes.recipe import Recipe


@dataclass(frozen=True)
class SplitAudit:
    """The accounting of one split: `present + missing + rejected = annotated`.

    Attributes:
        split: "train", "validation"; "test" or "" only where extra videos lie in such folders.
        annotated: Records of the recipe's classes.
        expected: The published count, or None where none was published.
        difference: Annotated minus expected, or None where nothing is expected or no list was given.
        present: Videos that are there.
        missing: Videos that are not there. `present`, `missing` and `extra` are None if no source was given.
        rejected: Videos that must not be used.
        reasons: Number of rejected videos by reason, see `vidprep.shards.ledger.REASONS`.
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
        remarks: Notes and warnings to show beside the counts.
        checksums: The comparison of present videos with lists of checksums; None if no list was given.
    """

    inventory: Inventory
    splits: list[SplitAudit]
    remarks: "list[Remark]"
    checksums: ChecksumCheck | None = None


@shows_keywords_of(choose_videos)
def audit(
    recipe: Recipe | Path | str | None = None,
    *,
    on_archive: Callable[[str], None] = lambda name: None,
    checksums: Sequence[Path | str] = (),
    on_checked: OnFile = lambda done, total: None,
    **videos: Unpack[VideoChoice],
) -> Audit:
    """Count annotated, present, missing and rejected videos, beside what was published.

        found = vidprep.audit("demo", sources=["raw/ssv2"])
        for split in found.splits:
            print(split.split, split.annotated, split.present, split.missing, split.rejected)

    Args:
        recipe: A recipe, or the name or path of a pipeline; your own videos need none.
        on_archive: Called with the name of each archive among the sources that is listed for the first time.
        checksums: Lists as sha256sum and md5sum write them; the videos that they name are read and compared.
        on_checked: Called after each compared file with the number of files done and their total.
        **videos: Which videos are meant, as for `build`: `sources`, `annotations` and so on. If no source is
            given and $VIDPREP_NAME is not set, only the annotation is checked.

    Raises:
        AnnotationError: If a list is missing or wrong.
        RecipeError: If the pipeline or the class list is wrong.
        SourceError: If a source is missing or does not look like the dataset.
    """
    chosen = choose_videos(recipe, **videos)
    stage = chosen.recipe.dataset
    archives = ArchiveOptions(on_new=on_archive)
    inventory = take_inventory(
        stage, chosen.sources or sources_of_environment(stage.name), chosen.annotations, archives=archives
    )
    checked = None
    if checksums:
        checked = check_checksums(inventory, checksums, archives=archives, on_file=on_checked)
    return Audit(inventory, audit_splits(inventory), audit_remarks(inventory), checked)


@dataclass(frozen=True)
class Remark:
    """A note or a warning about an inventory.

    Attributes:
        level: "note", or "warning" where a published number cannot be reproduced from the inventory.
        text: The sentence.
    """

    level: str
    text: str


def audit_splits(inventory: Inventory) -> list[SplitAudit]:
    """Count an inventory, split by split."""
    elsewhere = [split for split in ("test", "") if split in inventory.extra]
    return [_audit_split(inventory, split) for split in (*SPLITS, *elsewhere)]


def audit_remarks(inventory: Inventory) -> list[Remark]:
    """Return the notes and warnings to show beside the counts."""
    remarks = [
        Remark("note", f"No list of the split '{split}' was given.")
        for split in SPLITS
        if split not in inventory.lists
    ]
    for audit in audit_splits(inventory):
        if audit.difference:
            remarks.append(_difference(inventory, audit))
    remarks += [Remark("warning", f"{problem}.") for problem in inventory.problems]
    remarks += [Remark("note", text) for text in inventory.notes]
    return remarks + _labels(inventory) + _empty_classes(inventory)


def first_examples(inventory: Inventory, status: str, count: int = 5) -> pd.DataFrame:
    """Return the first rows of one status, up to `count` of each reason."""
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
    dataset = inventory.dataset
    who = "Table A has" if dataset.counts_from == "Table A" else "published are"
    what = f"{audit.split}: {audit.annotated:,} annotated, {who} {audit.expected:,}"
    if dataset.counts_vary:
        return Remark("note", f"{what}. {dataset.counts_vary}")
    return Remark("warning", f"{what}. The official lists agree with it to the row; this is not all of them.")


def _labels(inventory: Inventory) -> list[Remark]:
    """Name the labels of a sample, if it has more than one."""
    if not inventory.dataset.more_labels:
        return []
    target = inventory.dataset.labels
    others = ", ".join(f"{labels.name} ({len(labels.classes)})" for labels in inventory.dataset.more_labels)
    names = inventory.dataset.more_labels[0].name
    return [
        Remark(
            "note",
            f"Trained on is the {target.name} ({len(target.classes)} classes); each sample also has its "
            f"{others}. To train on another: --set dataset.target={names}.",
        )
    ]


def _empty_classes(inventory: Inventory) -> list[Remark]:
    remarks = []
    for split in inventory.lists:
        there = set(inventory.rows["class"][inventory.rows["split"] == split].unique())
        absent = [name for name in inventory.classes if name not in there]
        if absent:
            share = f"{len(absent)} of {len(inventory.classes)} classes"
            remarks.append(Remark("note", f"{split}: {share} have no video, e.g. '{absent[0]}'."))
    return remarks
