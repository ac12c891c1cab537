"""A shard set in numbers and pictures: accounting, classes, sizes, clips."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from vidprep.errors import ShardError
from vidprep.recipes.classes import published_counts
from vidprep.recipes.manifests import SPLITS
from vidprep.report import words
from vidprep.report.drawing.videos import VideoReader
from vidprep.report.find import Subject
from vidprep.report.sections.accounting import (
    Account,
    Listed,
    account,
    first_listed,
    reasons_there,
)
from vidprep.report.sections.contact_sheet import ClassVideo, ContactSheet, OnClip, contact_sheet
from vidprep.report.sections.geometry import Geometry, clip_geometry
from vidprep.report.sections.spreads import Bar, Spread, class_bars, class_chart, spreads_of
from vidprep.shards.layout import CLASSES
from vidprep.shards.ledger import read_ledger
from vidprep.shards.shard_set import ShardSet

MAX_NAMED = 30  # with more classes there is a chart besides the bars


@dataclass(frozen=True)
class ShardsView:
    """All that the page shows of a shard set.

    Attributes:
        splits: Splits that have videos, in order; the colours of the charts follow it.
        class_chart: Videos by class; None with few classes, whose bars show the same.
        notes: What is missing or remarkable.
    """

    subject: Subject
    title: str
    facts: list[tuple[str, str]]
    num_videos: int
    splits: list[str]
    accounts: list[Account]
    listed: list[Listed]
    class_chart: Markup | None
    class_bars: list[Bar]
    empty_classes: list[str]
    spreads: list[Spread]
    sheet: ContactSheet | None
    geometry: Geometry | None
    recipe: list[tuple[str, str]]
    reasons: list[tuple[str, str]]
    notes: list[str]


def view_shards(subject: Subject, max_chars: int, on_clip: OnClip) -> ShardsView:
    """Read a shard set and return all that the page shows of it.

    Args:
        subject: The shard set.
        max_chars: Limit for all of its images, in characters of HTML.
        on_clip: Called with the number of clips of the contact sheet that are done, and the number in all.

    Raises:
        ShardError: If the set is damaged.
    """
    shards = ShardSet.open(subject.url or subject.path)
    manifest, index = shards.manifest, shards.index
    ledger, notes = _ledger(subject)
    reader = VideoReader(shards)
    splits = [split for split in SPLITS if pc.any(pc.equal(index["split"], split)).as_py()]
    splits += sorted(set(pc.unique(index["split"]).to_pylist()) - set(splits))
    if not index.num_rows:
        notes.append("No video is in this shard set: all are missing or were rejected.")
    expected = published_counts(manifest.recipe.dataset if manifest else None)
    bars = class_bars(index, splits)
    classes = _classes(shards)
    sheet = (
        contact_sheet(reader, _class_videos(shards), int(max_chars * 0.8), on_clip) if len(index) else None
    )
    return ShardsView(
        subject=subject,
        title=manifest.recipe.title if manifest else subject.name,
        facts=_facts(shards, _number_of(classes, index)),
        num_videos=index.num_rows,
        splits=splits,
        accounts=account(ledger, expected) if ledger else [],
        listed=[first_listed(ledger, status) for status in ("rejected", "suspect", "missing")]
        if ledger
        else [],
        reasons=reasons_there(ledger) if ledger else [],
        class_chart=class_chart(index, splits) if len(bars) > MAX_NAMED else None,
        class_bars=bars,
        empty_classes=sorted(classes - set(pc.unique(index["class"]).to_pylist())),
        spreads=spreads_of(index, splits) if len(index) else [],
        sheet=sheet,
        geometry=clip_geometry(shards, reader, int(max_chars * 0.2)) if len(index) else None,
        recipe=words.flat(manifest.recipe.model_dump(mode="json")) if manifest else [],
        notes=notes,
    )


def _ledger(subject: Subject) -> tuple[pa.Table | None, list[str]]:
    try:
        return read_ledger(subject.path), []
    except ShardError as error:
        return None, [f"Nothing is known about videos that are not in it. {error}"]


def _classes(shards: ShardSet) -> set[str]:
    """Return the names of all classes, including those without a video."""
    try:
        return set(shards.classes)
    except (ValueError, TypeError, KeyError) as error:
        raise ShardError(
            f"{shards.root}/{CLASSES} is damaged: {error!r}. Run the same build again."
        ) from error


def _number_of(classes: set[str], index: pa.Table) -> str:
    with_videos = len(classes & set(pc.unique(index["class"]).to_pylist()))
    text = words.count(len(classes))
    return text if with_videos == len(classes) else f"{text}, {words.count(with_videos)} with videos"


def _facts(shards: ShardSet, num_classes: str) -> list[tuple[str, str]]:
    index, manifest = shards.index, shards.manifest
    stored = pc.sum(index["mp4_size"]).as_py() or 0
    seconds = pc.sum(index["duration_seconds"]).as_py() or 0.0
    facts = [
        ("videos", words.count(index.num_rows)),
        ("classes", num_classes),
        ("shards", words.count(len(pc.unique(index["shard"])))),
        ("stored video", words.size(stored)),
        ("frames", words.count(pc.sum(index["num_frames"]).as_py() or 0)),
        ("duration", words.seconds(seconds)),
    ]
    if manifest is None:
        return [*facts, ("made by", "others: no manifest")]
    sample = [("a sample", f"at most {manifest.limit:,} videos of a split")] if manifest.limit else []
    return facts + sample


def _class_videos(shards: ShardSet) -> list[ClassVideo]:
    """Return one video of each class that has any: the first of its first split."""
    chosen: list[ClassVideo] = []
    seen: set[str] = set()
    for split in pc.unique(shards.index["split"]).to_pylist():
        part = shards.split(split)
        names, rates = part.index["class"].to_pylist(), part.index["fps"].to_pylist()
        for row, name in enumerate(names):
            if name not in seen:
                seen.add(name)
                chosen.append(ClassVideo(name, part.video(row), rates[row]))
    return sorted(chosen, key=lambda each: each.name)
