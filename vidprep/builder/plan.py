"""The plan: which video goes into which shard, fixed before anything is transcoded.

Pure: `workspace/plan_file.py` writes it down, and reads it.
"""

import hashlib
import json
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from vidprep.recipes.manifests import SPLITS, class_list_hash
from vidprep.recipes.recipe import Recipe
from vidprep.recipes.toml_models import Frozen

PLAN_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),  # -1: not to be transcoded
        ("split", pa.string()),
        ("key", pa.string()),
        ("video_id", pa.string()),
        ("class", pa.string()),
        ("label", pa.int32()),
        ("label_full", pa.int32()),
        ("status", pa.string()),  # present | missing | rejected
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("source_dir", pa.string()),
        ("source", pa.string()),
        ("source_bytes", pa.int64()),
        ("checksum", pa.string()),  # expected, of the source, e.g. "sha256:4f..."; empty: unknown
        ("segment", pa.string()),  # part of the source, see shards.segment; "": all of it
        ("more_labels", pa.string()),  # JSON {name: class}; "": none
    ]
)
# Raised whenever a change of ours changes the bytes of a shard: a build is not resumed across it.
_GENERATION = 1
# What identifies a video; where the sources lie may change between two runs.
LATER_COLUMNS = ("checksum", "segment", "more_labels")
_IDENTITY = ("shard", "split", "key", "label", "label_full", "status", "reason", "source", "source_bytes")


class PlanFacts(Frozen):
    """What a plan was made from.

    Attributes:
        recipe: Recipe of the whole pipeline; only its build stages decide the shards.
        classes: Names in label order.
        ffmpeg_version: Version of the binary that transcodes.
        limit: The most videos of a split, to try a build; None: all.
        shard_splits: The split of each planned shard, in order.
        shard_sizes: Videos planned for each shard.
        num_rejected: Videos that were rejected without transcoding.
        num_missing: Videos that no source folder holds.
        source_sha256: Hash of the rows: ids, labels, file names and sizes.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    ffmpeg_version: str
    limit: int | None
    shard_splits: tuple[str, ...]
    shard_sizes: tuple[int, ...]
    num_rejected: int
    num_missing: int
    source_sha256: str

    @property
    def num_videos(self) -> int:
        """Videos to transcode."""
        return sum(self.shard_sizes)

    @property
    def sha256(self) -> str:
        """Hash of everything that decides the shards; equal plans make equal bytes."""
        parts = self.decisive_parts()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def decisive_parts(self) -> dict[str, str]:
        """Return what decides the shards, by names that a person understands."""
        return {
            "name": self.recipe.name,
            "dataset": self.recipe.dataset.model_dump_json(),
            "transcode": self.recipe.transcode.model_dump_json(),
            "shards": self.recipe.shards.model_dump_json(),
            "class list": class_list_hash(self.classes),
            "FFmpeg version": self.ffmpeg_version,
            "limit": str(self.limit),
            "videos": self.source_sha256,
            "vidprep's way to build": str(_GENERATION),
        }


@dataclass(frozen=True)
class Plan:
    """The facts and the rows of a plan.

    Attributes:
        facts: What the plan was made from.
        rows: Table of `PLAN_SCHEMA`, ordered by shard and position, then the videos without a shard.
    """

    facts: PlanFacts
    rows: pd.DataFrame


def plan_build(
    recipe: Recipe,
    inventory_rows: pd.DataFrame,
    classes: tuple[str, ...],
    *,
    ffmpeg_version: str,
    limit: int | None = None,
) -> Plan:
    """Decide which video goes into which shard.

    Present videos are put into an order that depends on the seed and their ids alone, split by split, and
    cut into shards of `samples_per_shard`.

    Args:
        inventory_rows: One row per annotated video, as `datasets.inventory` gives them.
        limit: Take this many videos of each split at most, for a try.
    """
    rows = inventory_rows.assign(**{name: "" for name in LATER_COLUMNS if name not in inventory_rows})
    rows = in_order(rows, recipe.shards.seed, limit)
    rows = _with_shards(rows, recipe.shards.samples_per_shard)
    planned = rows[rows["shard"] >= 0].groupby("shard", sort=True)["split"].agg(["first", "size"])
    facts = PlanFacts(
        recipe=recipe,
        classes=classes,
        ffmpeg_version=ffmpeg_version,
        limit=limit,
        shard_splits=tuple(planned["first"]),
        shard_sizes=tuple(int(size) for size in planned["size"]),
        num_rejected=int((rows["status"] == "rejected").sum()),
        num_missing=int((rows["status"] == "missing").sum()),
        source_sha256=_hash_rows(rows),
    )
    return Plan(facts, rows)


def describe_difference(old: PlanFacts, new: PlanFacts) -> str:
    """Say what makes two plans differ, for an error message; empty if they are the same."""
    parts: list[str] = []
    # The hash of the videos covers their shards, too, so other settings of [shards] change it.
    same_videos = (old.num_videos, old.num_missing) == (new.num_videos, new.num_missing)
    for name, before in old.decisive_parts().items():
        now = new.decisive_parts()[name]
        if name == "videos" and before != now and not parts:
            parts.append(
                f"the videos or annotations changed ({old.num_videos:,} to transcode and {old.num_missing:,} "
                f"missing before, {new.num_videos:,} and {new.num_missing:,} now)"
            )
        elif name == "videos" and same_videos and old.recipe.shards != new.recipe.shards:
            continue
        elif name in ("class list", "videos"):
            parts += [f"the {name} changed"] if before != now else []
        elif name == "dataset" and "definition" in before + now and before != now:
            parts.append("the dataset's file, folders or classes changed")
        elif before != now:
            parts.append(f"{name} was {before} and is {now}")
    return "; ".join(parts)


def in_order(rows: pd.DataFrame, seed: int, limit: int | None) -> pd.DataFrame:
    """Return annotated videos in the order in which they are taken, of each split `limit` at most."""
    rows = _shuffled(rows, seed)
    return rows if limit is None else rows.groupby("split", sort=False, observed=True).head(limit)


def _shuffled(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    # A hash, not a generator: the same order with every version of every library, and a video that comes
    # or goes moves no other one.
    digest = [
        hashlib.sha256(f"{seed}:{s}:{v}".encode()).hexdigest()
        for s, v in zip(rows["split"], rows["video_id"], strict=True)
    ]
    rank = rows["split"].map({split: number for number, split in enumerate(SPLITS)})
    order = rows.assign(_rank=rank, _digest=digest).sort_values(["_rank", "_digest"], kind="stable")
    return order.drop(columns=["_rank", "_digest"])


def _with_shards(rows: pd.DataFrame, samples_per_shard: int) -> pd.DataFrame:
    """Number the shards over all splits, and put the videos of none behind the others."""
    rows = rows.assign(shard=-1)
    first = 0
    for split in SPLITS:
        chosen = rows.index[(rows["split"] == split) & (rows["status"] == "present")]
        shards = [first + position // samples_per_shard for position in range(len(chosen))]
        rows.loc[chosen, "shard"] = shards
        first = shards[-1] + 1 if shards else first
    in_shard = rows["shard"] >= 0
    return pd.concat([rows[in_shard], rows[~in_shard]], ignore_index=True)


def _hash_rows(rows: pd.DataFrame) -> str:
    # Sets without checksums, parts and further labels keep the hash that release 0.1 gave them.
    later = [name for name in LATER_COLUMNS if (rows[name] != "").any()]
    text = rows[[*_IDENTITY, *later]].to_csv(index=False, header=False)
    return hashlib.sha256(text.encode()).hexdigest()
