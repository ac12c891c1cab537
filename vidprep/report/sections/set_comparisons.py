"""Two shard sets of one dataset: which videos both have, and whether their content is the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from vidprep.errors import ShardError
from vidprep.report.find import Subject
from vidprep.shards.passports.comparison import RELATIONS, Comparison, compare_passports
from vidprep.shards.passports.making import open_passport
from vidprep.shards.passports.passport import Passport

MAX_CLASSES = 20  # rows of classes that differ most
MAX_VIDEOS = 40  # rows of videos with different content
MAX_PAIRS = 6

Table = list[list[str]]


@dataclass(frozen=True)
class ComparisonView:
    """All that the page shows of two sets side by side; tables have their headings first.

    Attributes:
        first: Name of the one that is called A.
        second: Name of the one that is called B.
        sentences: What they have in common, and what differs in the recipe.
        counts: Videos of each split in each relation.
        unused: Annotated videos that each does not use, and why.
        classes: Used videos of the classes that differ most.
        different: Videos with the same id and different content.
        num_more: How many of these are not in the table.
    """

    first: str
    second: str
    sentences: list[str]
    counts: Table
    unused: Table
    classes: Table
    different: Table
    num_more: int


def view_comparisons(subjects: Sequence[Subject]) -> list[ComparisonView]:
    """Compare the shard sets of a page, each with each, as far as they are of one dataset.

    Sets without a ledger, or damaged ones, are left out: their own sections say what is wrong.
    """
    passports: list[tuple[str, Passport]] = []
    for subject in subjects:
        if subject.kind == "shards":
            try:
                passports.append((subject.name, open_passport(subject.path)))
            except ShardError:
                continue
    pairs = [
        (one, other)
        for one, other in combinations(passports, 2)
        if one[1].head.recipe.dataset.name == other[1].head.recipe.dataset.name
    ]
    return [view_comparison(*one, *other) for one, other in pairs[:MAX_PAIRS]]


def view_comparison(first_name: str, first: Passport, second_name: str, second: Passport) -> ComparisonView:
    """Return what the page shows of two sets side by side."""
    found = compare_passports(first, second)
    different = found.rows[found.rows["relation"] == "different_content"]
    return ComparisonView(
        first=first_name,
        second=second_name,
        sentences=found.sentences(),
        counts=_counts(found),
        unused=_unused(found),
        classes=_classes(found),
        different=[
            ["split", "video", "class", "differing bits of 192"],
            *(
                [row["split"], row["video_id"], row["class"], str(row["differing_bits"])]
                for row in different.head(MAX_VIDEOS).to_dict("records")
            ),
        ],
        num_more=max(0, len(different) - MAX_VIDEOS),
    )


def _counts(found: Comparison) -> Table:
    counts = found.counts()
    rows = [
        [RELATIONS[str(name)].replace("the first", "A").replace("the second", "B"), *(f"{n:,}" for n in row)]
        for name, row in counts.iterrows()
    ]
    return [["", *counts.columns], *rows]


def _unused(found: Comparison) -> Table:
    rows = found.unused().to_dict("records")
    named = [[row["why"], row["split"], f"{row['first']:,}", f"{row['second']:,}"] for row in rows]
    return [["not used", "split", "A", "B"], *named]


def _classes(found: Comparison) -> Table:
    rows = found.per_class()
    rows = rows[rows["only_one"] > 0].head(MAX_CLASSES)
    named = [
        [row["class"], row["split"], *(f"{row[name]:,}" for name in ("first", "second", "both"))]
        for row in rows.to_dict("records")
    ]
    return [["class", "split", "A", "B", "both"], *named]
