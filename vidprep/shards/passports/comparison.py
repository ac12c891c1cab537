"""Compare two shard sets by their passports: which videos both have, and whether they are the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vidprep.recipes.recipe import Recipe
from vidprep.shards.passports.content_hash import SAME_CONTENT_BITS, differing_bits
from vidprep.shards.passports.making import open_passport
from vidprep.shards.passports.passport import Passport

# Values of the column `relation`, and what they mean.
RELATIONS = {
    "same_bytes": "used in both, equal to the byte",
    "same_content": "used in both, encoded differently",
    "different_content": "used in both, and they do not show the same: one is a wrong download",
    "unknown_content": "used in both, encoded differently; one passport has no fingerprints",
    "only_first": "used in the first only",
    "only_second": "used in the second only",
    "in_neither": "used in neither",
    "only_first_annotates": "not in the second's annotation",
    "only_second_annotates": "not in the first's annotation",
}


@dataclass(frozen=True)
class Comparison:
    """What two sets have in common.

    Attributes:
        first: Where the first set or passport lies.
        second: Where the second one lies.
        rows: A row per video that either annotates: split, video_id, class, relation (see `RELATIONS`),
            differing_bits (of 192; -1 where it is not known), and status, reason and num_frames of each,
            as `status_first`, `status_second` and so on.
        same_classes: Whether the class lists are equal, order included.
        same_annotation: Whether both annotate the same ids with the same labels.
        recipe_differences: `key: first / second` for each differing setting or tool that decides the bytes.
        relabelled: Videos that both annotate, but with different classes.
    """

    first: str
    second: str
    rows: pd.DataFrame
    same_classes: bool
    same_annotation: bool
    recipe_differences: tuple[str, ...]
    relabelled: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether both hold the same videos with the same bytes."""
        held = set(self.rows["relation"]) <= {"same_bytes", "in_neither"}
        return held and self.same_classes and self.same_annotation

    def sentences(self) -> list[str]:
        """Return sentences that compare annotations, classes, recipes and tools."""
        lines = ["Both annotate the same videos." if self.same_annotation else "Their annotations differ."]
        if not self.same_classes:
            lines.append("Their class lists differ: labels of one mean other classes in the other.")
        if self.relabelled:
            number, example = len(self.relabelled), self.relabelled[0]
            lines.append(f"{number:,} videos have different classes, e.g. {example}.")
        return [*lines, *(f"differs  {difference}" for difference in self.recipe_differences)]

    def counts(self) -> pd.DataFrame:
        """Return the number of videos by relation (rows) and split (columns)."""
        table = pd.crosstab(self.rows["relation"], self.rows["split"])
        return table.reindex([name for name in RELATIONS if name in table.index])

    def unused(self) -> pd.DataFrame:
        """Return how many annotated videos each set does not use, and why.

        Returns:
            A row per split and reason, with the columns split, why ("missing" or "rejected: partial"), first
            and second (numbers of videos).
        """
        sides = [
            self.rows.assign(why=why(self.rows, side)).groupby(["split", "why"]).size().rename(side)
            for side in ("first", "second")
        ]
        table = pd.concat(sides, axis=1).fillna(0).astype(int).reset_index()
        return table[table["why"] != "used"].sort_values(["split", "why"], ignore_index=True)

    def per_class(self) -> pd.DataFrame:
        """Return the used videos of each split and class in both and in each, greatest difference first."""
        rows = self.rows.assign(
            first=self.rows["status_first"] == "used",
            second=self.rows["status_second"] == "used",
        )
        rows["both"] = rows["first"] & rows["second"]
        table = rows.groupby(["split", "class"], sort=True)[["first", "second", "both"]].sum().reset_index()
        table["only_one"] = table["first"] + table["second"] - 2 * table["both"]
        return table.sort_values(
            ["only_one", "split", "class"], ascending=[False, True, True], ignore_index=True
        )


def compare(first: Passport | Path | str, second: Passport | Path | str) -> Comparison:
    """Compare two shard sets, or their passports, video by video.

        found = vidprep.compare("shards/motion", "shards/motion")
        print(found.is_same, found.counts())

    Args:
        first: A passport, the path of its file, or the folder or URL of a shard set.
        second: The same for another set of the same dataset.

    Raises:
        ShardError: If one is neither a set nor a passport, or is damaged.
        ValueError: If they are of different datasets.
    """
    sides = (side if isinstance(side, Passport) else open_passport(side) for side in (first, second))
    return compare_passports(*sides)


def compare_passports(first: Passport, second: Passport) -> Comparison:
    """Compare two sets, video by video.

    Raises:
        ValueError: If they are of different datasets.
    """
    names = [passport.head.recipe.dataset.name for passport in (first, second)]
    if names[0] != names[1]:
        raise ValueError(
            f"{first.origin} is of {names[0]}, {second.origin} of {names[1]}: there is nothing to compare. "
            "Give two sets or passports of one dataset."
        )
    left, right = (_with_class(passport) for passport in (first, second))
    rows = left.merge(right, on=["split", "video_id"], how="outer", suffixes=("_first", "_second"))
    relabelled = rows.loc[
        rows["class_first"].notna()
        & rows["class_second"].notna()
        & (rows["class_first"] != rows["class_second"]),
        "video_id",
    ]
    rows["differing_bits"] = _differing_bits(rows)
    rows["relation"] = _relations(rows)
    rows["class"] = rows["class_first"].fillna(rows["class_second"])
    columns = ["split", "video_id", "class", "relation", "differing_bits"]
    columns += [
        f"{what}_{side}" for what in ("status", "reason", "num_frames") for side in ("first", "second")
    ]
    return Comparison(
        first=first.origin,
        second=second.origin,
        rows=rows[columns],
        same_classes=first.head.classes == second.head.classes,
        same_annotation=first.head.records_sha256 == second.head.records_sha256,
        recipe_differences=recipe_differences(first, second),
        relabelled=tuple(relabelled),
    )


def why(rows: pd.DataFrame, side: str) -> "pd.Series[str]":
    """Say what became of each video in a set: "used", "missing", "rejected: partial", ...

    Args:
        rows: Rows of a comparison.
        side: "first" or "second": which set. A video that this set does not annotate has no value.
    """
    status, reason = rows[f"status_{side}"], rows[f"reason_{side}"].fillna("")
    return status.mask(reason != "", status + ": " + reason)


def common_videos(passports: Sequence[Passport], split: str) -> tuple[set[str], set[str]]:
    """Return the keys of a split's videos that all sets use: those with the same content, and the others.

    Others are videos whose fingerprints in the first set and in another one differ too much: one of them is
    a wrong download.
    """
    held = [_used(passport, split) for passport in passports]
    keys = sorted(set.intersection(*(set(one.index) for one in held)))
    different: set[str] = set()
    first = held[0].reindex(keys)
    for other in held[1:]:
        pairs = pd.DataFrame({"content_first": first, "content_second": other.reindex(keys)})
        different |= set(pairs.index[_differing_bits(pairs) > SAME_CONTENT_BITS])
    return set(keys) - different, different


def _used(passport: Passport, split: str) -> "pd.Series[bytes]":
    """Return the fingerprints of the used videos of a split, by key."""
    rows = passport.rows[(passport.rows["status"] == "used") & (passport.rows["split"] == split)]
    return rows.set_index(rows["split"] + "-" + rows["video_id"])["content"]


def recipe_differences(first: Passport, second: Passport) -> tuple[str, ...]:
    """Return in which settings and tools that decide stored bytes two sets differ, as `key: first / second`.

    Empty if one of them is a folder of raw videos.
    """
    if not (first.head.tools and second.head.tools):
        return ()  # raw videos were not stored by a recipe
    ours, theirs = _decisive(first.head.recipe), _decisive(second.head.recipe)
    found = [f"{key}: {ours[key]!r} / {theirs[key]!r}" for key in ours if ours[key] != theirs[key]]
    tools = sorted(first.head.tools.keys() | second.head.tools.keys())
    versions = ((name, first.head.tools.get(name), second.head.tools.get(name)) for name in tools)
    return (*found, *(f"{name}: {one} / {other}" for name, one, other in versions if one != other))


def _decisive(recipe: Recipe) -> dict[str, object]:
    tables = {"transcode": recipe.transcode, "shards": recipe.shards}
    return {f"{table}.{key}": value for table, stage in tables.items() for key, value in stage}


def _with_class(passport: Passport) -> pd.DataFrame:
    rows = passport.rows.drop_duplicates(["split", "video_id"])
    return rows.assign(**{"class": pd.Series(passport.head.classes).reindex(rows["label"]).to_numpy()})


def _differing_bits(rows: pd.DataFrame) -> np.ndarray:
    bits = np.full(len(rows), -1, dtype=np.int64)
    known = (rows["content_first"].notna() & rows["content_second"].notna()).to_numpy()
    if known.any():
        bits[known] = differing_bits(
            rows.loc[known, "content_first"].to_numpy(), rows.loc[known, "content_second"].to_numpy()
        )
    return bits


def _relations(rows: pd.DataFrame) -> np.ndarray:
    first, second = rows["status_first"] == "used", rows["status_second"] == "used"
    both, bits = first & second, rows["differing_bits"]
    same_bytes = (rows["mp4_crc32_first"] == rows["mp4_crc32_second"]).fillna(False).astype(bool)
    cases = {
        "only_first_annotates": rows["status_second"].isna(),
        "only_second_annotates": rows["status_first"].isna(),
        "same_bytes": both & same_bytes,
        "unknown_content": both & (bits < 0),
        "same_content": both & (bits <= SAME_CONTENT_BITS),
        "different_content": both,
        "only_first": first,
        "only_second": second,
    }
    return np.select([case.to_numpy(dtype=bool) for case in cases.values()], list(cases), "in_neither")
