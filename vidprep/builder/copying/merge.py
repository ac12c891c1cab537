"""Merge shard sets of one dataset by copying stored videos: what one laboratory lacks, another may have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from vidprep.builder.copying.copies import (
    FinishedSet,
    Outcome,
    carry_out_copy,
    inventory_rows,
    outcomes_of,
)
from vidprep.builder.plan import plan_build
from vidprep.builder.run import BuildResult, OnEvent
from vidprep.errors import BuildError
from vidprep.recipes.classes import dataset_of, resolve_classes

# Of several outcomes of one video, the first in this order is kept.
_RANKS = {"used": 0, "rejected": 1, "missing": 2}
_ROW = ["split", "video_id"]


def merge(
    shard_dirs: Sequence[Path | str],
    out_dir: Path | str,
    *,
    prefer: Literal["first"] | None = None,
    on_event: OnEvent = lambda event: None,
) -> BuildResult:
    """Merge several shard sets that have the same class list and store videos in the same way.

    A video is used if any of the sets uses it; else it is rejected, with the reason of the first set that
    rejects it, or missing. A call that was stopped or killed is resumed by the same call. The merged sets are
    only read.

    Args:
        shard_dirs: Finished sets: folders, or URLs such as `s3://bucket/k400`.
        out_dir: The new one: a folder, or a URL.
        prefer: "first" takes the first set's video where two hold different bytes under one id; None refuses.
        on_event: Called with each event, see `build`.

    Raises:
        BuildError: If the sets do not fit together, or hold different bytes under one id without `prefer`.
        ShardError: If a set is unfinished or damaged.
        ValueError: If there are fewer than two.
    """
    if len(shard_dirs) < 2:
        raise ValueError(f"merge needs two sets or more, got {len(shard_dirs)}.")
    sets = [FinishedSet.open(folder) for folder in shard_dirs]
    for other in sets[1:]:
        _check_alike(sets[0], other)
    outcomes = _outcomes(sets, prefer)
    recipe = sets[0].manifest.recipe
    classes = resolve_classes(recipe.dataset)
    rows = inventory_rows(_merged_ledger(sets), recipe.dataset, classes)
    plan = plan_build(recipe, rows, classes, ffmpeg_version=sets[0].manifest.tools["ffmpeg"])
    full_classes = dataset_of(recipe.dataset).labels.classes
    return carry_out_copy(plan, out_dir, outcomes, on_event, full_classes)


def _check_alike(first: FinishedSet, other: FinishedSet) -> None:
    """Refuse sets whose labels or whose stored videos are of different kinds."""
    ours, theirs = first.manifest, other.manifest
    differences = {
        "class list": (ours.classes_sha256[:8], theirs.classes_sha256[:8]),
        "dataset": (ours.recipe.dataset.name, theirs.recipe.dataset.name),
        "FFmpeg": (ours.tools["ffmpeg"], theirs.tools["ffmpeg"]),
        **{
            f"transcode.{key}": (value, getattr(theirs.recipe.transcode, key))
            for key, value in ours.recipe.transcode
        },
    }
    differing = [f"{name} {left} and {right}" for name, (left, right) in differences.items() if left != right]
    if differing:
        raise BuildError(
            f"{first.root} and {other.root} do not fit together: {'; '.join(differing)}. Build one of them "
            "again with the other's recipe and FFmpeg."
        )


def _merged_ledger(sets: Sequence[FinishedSet]) -> pd.DataFrame:
    """Return a row per video that any set annotates, from the set that uses, else rejects, else lacks it."""
    ledgers = [one.ledger.assign(_set=number) for number, one in enumerate(sets)]
    rows = pd.concat(ledgers, ignore_index=True)
    rows["_rank"] = rows["status"].map(_RANKS)
    # An id may be annotated twice; the second row of one set belongs to the second row of another.
    rows["_nth"] = rows.groupby(["_set", *_ROW]).cumcount()
    best = rows.sort_values([*_ROW, "_nth", "_rank", "_set"], kind="stable")
    return best.drop_duplicates([*_ROW, "_nth"]).drop(columns=["_nth", "_rank", "_set"])


def _outcomes(sets: Sequence[FinishedSet], prefer: Literal["first"] | None) -> dict[str, Outcome]:
    """Return the best outcome of each video, by key.

    Raises:
        BuildError: If two sets hold different bytes under one id, unless the first is preferred.
    """
    merged: dict[str, Outcome] = {}
    clashes: list[str] = []
    for one in sets:
        for key, outcome in outcomes_of(one).items():
            known = merged.get(key)
            if known is None or known.ledger_row["status"] == "rejected" != outcome.ledger_row["status"]:
                merged[key] = outcome
            elif _differs(known, outcome, key):
                clashes.append(f"{key} ({known.source.root}, {one.root})")
    if clashes and prefer is None:
        raise BuildError(
            f"{len(clashes):,} videos have different bytes in two sets, e.g. {clashes[0]}. See what they "
            "show with `vidprep compare`; --prefer first takes those of the set named first."
        )
    return merged


def _differs(known: Outcome, other: Outcome, key: str) -> bool:
    if "rejected" in (known.ledger_row["status"], other.ledger_row["status"]):
        return False
    return bool(known.source.stored[key]["mp4_crc32"] != other.source.stored[key]["mp4_crc32"])
