"""The last step of a build: final names, index, ledger, sidecars, and the manifest as the very last file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

import vidprep
from vidprep.builder.plan import Plan
from vidprep.builder.workspace.finished import DoneShard, final_names, move_into_place, write_places
from vidprep.errors import BuildError
from vidprep.files import replace_durably, write_whole
from vidprep.recipes.manifests import SPLITS, class_list_hash
from vidprep.shards.card import dataset_card, format_json, wids_index
from vidprep.shards.index import write_index
from vidprep.shards.layout import CARD, CLASSES, INDEX, LEDGER, MANIFEST, PASSPORT, wids_name
from vidprep.shards.ledger import LEDGER_SCHEMA, write_ledger
from vidprep.shards.manifest import Manifest, ShardEntry, SplitTotals, file_sha256, format_manifest
from vidprep.shards.passports.making import write_set_passport


def finalise(
    out_dir: Path, plan: Plan, done: dict[int, DoneShard], full_classes: tuple[str, ...]
) -> Manifest:
    """Turn finished shards into a shard set.

    Can be repeated after a crash at any point: every step finds what an earlier attempt did.

    Args:
        done: What each planned shard holds, by its number; none may be lacking.
        full_classes: Names of the full dataset in label order.

    Returns:
        The manifest, as written.

    Raises:
        BuildError: If the accounting does not add up, which is a bug of vidprep.
    """
    names = final_names(plan.facts, done)
    write_places(out_dir, names)
    move_into_place(out_dir, out_dir)
    stored = index_rows(done, names)
    write_via(out_dir / INDEX, lambda path: write_index(stored, path))
    ledger = ledger_rows(plan.rows, done, names)
    write_via(out_dir / LEDGER, lambda path: write_ledger(pa.Table.from_pandas(ledger, LEDGER_SCHEMA), path))
    entries = tuple(shard_entry(name, done[number]) for number, name in names.items())
    totals = {split: count_totals(split, ledger, entries) for split in SPLITS}
    check_sums(totals, plan.rows)
    manifest = Manifest(
        recipe=plan.facts.recipe,
        limit=plan.facts.limit,
        classes_sha256=class_list_hash(plan.facts.classes),
        source_sha256=plan.facts.source_sha256,
        tools={"vidprep": vidprep.__version__, "ffmpeg": plan.facts.ffmpeg_version},
        shards=entries,
        totals=totals,
        index_sha256=file_sha256(out_dir / INDEX),
        ledger_sha256=file_sha256(out_dir / LEDGER),
    )
    passport_sha256 = write_set_passport(
        out_dir / PASSPORT, manifest, plan.facts.classes, ledger, stored, contents_of(done)
    )
    manifest = manifest.model_copy(update={"passport_sha256": passport_sha256})
    _write_json(out_dir / CLASSES, _classes(plan.facts.classes, full_classes))
    write_for_others(out_dir, manifest)
    write_whole(out_dir / MANIFEST, format_manifest(manifest))
    return manifest


def ledger_rows(rows: pd.DataFrame, done: dict[int, DoneShard], names: dict[int, str]) -> pd.DataFrame:
    """Return one ledger row per annotated video, by split and id.

    Args:
        rows: Rows of the plan.
        names: Final name of each shard that is not empty, by its number in the plan.
    """
    used = {row["key"]: names[number] for number, shard in done.items() for row in shard.rows}
    rejected = {video.key: video for shard in done.values() for video in shard.rejected}
    details = {key: detail for shard in done.values() for key, detail in shard.details.items()}
    hashes = {key: sha256 for shard in done.values() for key, sha256 in shard.sources.items()}
    hashes |= {key: video.source_sha256 for key, video in rejected.items()}
    suspects = {key: word for shard in done.values() for key, word in shard.suspects.items()}
    ledger = rows.copy()
    planned = ledger["shard"] >= 0
    keys = ledger["key"].where(planned, "")
    ledger["shard"] = [used.get(key, "") for key in keys]
    ledger["status"] = [
        "used" if key in used else "rejected" if key in rejected else status
        for key, status in zip(keys, ledger["status"], strict=True)
    ]
    ledger["reason"] = [
        rejected[key].reason if key in rejected else reason
        for key, reason in zip(keys, ledger["reason"], strict=True)
    ]
    ledger["detail"] = [
        rejected[key].detail if key in rejected else details.get(key, detail)
        for key, detail in zip(keys, ledger["detail"], strict=True)
    ]
    ledger["source_sha256"] = [hashes.get(key, "") for key in keys]
    ledger["suspect"] = [suspects.get(key, "") for key in keys]
    rank = {split: number for number, split in enumerate(SPLITS)}
    order = ledger.assign(_rank=ledger["split"].map(rank)).sort_values(["_rank", "video_id"], kind="stable")
    return order.reindex(columns=LEDGER_SCHEMA.names).reset_index(drop=True)


def index_rows(done: dict[int, DoneShard], names: dict[int, str]) -> list[dict[str, Any]]:
    """Return the index rows of finished shards under their final names."""
    return [row | {"shard": name} for number, name in names.items() for row in done[number].rows]


def contents_of(done: dict[int, DoneShard]) -> dict[str, bytes]:
    """Return the fingerprints that were taken while shards were built, by key."""
    return {key: bytes.fromhex(text) for shard in done.values() for key, text in shard.contents.items()}


def shard_entry(name: str, shard: DoneShard) -> ShardEntry:
    """Return what the manifest says of a finished shard."""
    return ShardEntry(
        name=name,
        split=shard.split,
        num_samples=len(shard.rows),
        size_bytes=shard.size_bytes,
        sha256=shard.sha256,
        md5=shard.md5,
    )


def count_totals(split: str, ledger: pd.DataFrame, entries: tuple[ShardEntry, ...]) -> SplitTotals:
    """Count what became of the videos of a split."""
    status = ledger.loc[ledger["split"] == split, "status"]
    of_split = [entry for entry in entries if entry.split == split]
    return SplitTotals(
        annotated=len(status),
        used=int((status == "used").sum()),
        missing=int((status == "missing").sum()),
        rejected=int((status == "rejected").sum()),
        num_shards=len(of_split),
        size_bytes=sum(entry.size_bytes for entry in of_split),
    )


def check_sums(totals: dict[str, SplitTotals], rows: pd.DataFrame) -> None:
    """Make sure that used + missing + rejected = annotated.

    Args:
        totals: Counts of each split.
        rows: One per annotated video.

    Raises:
        BuildError: If not, which is a bug of vidprep.
    """
    for split, total in totals.items():
        annotated = int((rows["split"] == split).sum())
        if not total.used + total.missing + total.rejected == total.annotated == annotated:
            raise BuildError(
                f"The accounting of split {split} does not add up: {total.used:,} used + "
                f"{total.missing:,} missing + {total.rejected:,} rejected, {annotated:,} annotated. "
                "Please report this."
            )


def _classes(classes: tuple[str, ...], full_classes: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"label": label, "class": name, "label_full": full_classes.index(name)}
        for label, name in enumerate(classes)
    ]


def write_for_others(out_dir: Path, manifest: Manifest) -> None:
    """Write the dataset card and the wids indexes."""
    for split in SPLITS:
        _write_json(out_dir / wids_name(split), wids_index(manifest, split))
    write_whole(out_dir / CARD, dataset_card(manifest).encode())


def write_via(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file so that it exists whole or not at all, by a function that wants a path."""
    partial_path = path.with_name(path.name + ".partial")
    write(partial_path)
    replace_durably(partial_path, path)


def _write_json(path: Path, value: object) -> None:
    write_whole(path, format_json(value).encode())
