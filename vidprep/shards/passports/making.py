"""Get the passport of a finished shard set: its own, or one made from its ledger and index."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow.compute as pc

from vidprep.errors import ShardError
from vidprep.recipes.classes import published_counts
from vidprep.shards.layout import LEDGER, PASSPORT, escaped_key
from vidprep.shards.ledger import parse_ledger
from vidprep.shards.manifest import Manifest, file_sha256
from vidprep.shards.passports.content_hash import ContentWatcher
from vidprep.shards.passports.passport import (
    Passport,
    make_passport,
    parse_passport,
    read_passport,
    write_passport,
)
from vidprep.shards.passports.third_party import third_party_passport
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import range_reader, read_video

_LEDGER_COLUMNS = ["key", "split", "video_id", "label", "status", "reason"]


def open_passport(path: str | Path) -> Passport:
    """Read a passport file, or the passport of a shard set, from a disk or a URL.

    A set without a passport of its own gets one made from its ledger and index, without fingerprints.

    Raises:
        ShardError: If there is neither a passport nor a set, or it is damaged.
    """
    if "://" not in str(path) and not Path(path).is_dir():
        return read_passport(Path(path))
    shards = ShardSet.open(path)
    return stored_passport(shards) or passport_of(shards, contents={})


def stored_passport(shards: ShardSet) -> Passport | None:
    """Return the passport that lies in a set, or None if it has none.

    Raises:
        ShardError: If it is damaged, or not the one of the manifest.
    """
    # A set of format 1 may have got a passport later, which its manifest does not name.
    data = shards.read_named(PASSPORT) or shards.read_file(PASSPORT)
    if data is None:
        return None
    return replace(parse_passport(data, origin=f"{shards.root}/{PASSPORT}"), origin=shards.root)


def passport(
    shards_dir: Path | str,
    out_path: Path | str,
    *,
    on_video: Callable[[int, int], object] = lambda done, total: None,
) -> Passport:
    """Write the passport of a finished shard set to a file of its own, to be published.

    It is the set's own passport. If that lacks fingerprints, or the set has no passport, the videos without a
    fingerprint are decoded once.

        ours = vidprep.passport("shards/motion", "ours.parquet")
        print(ours.head.totals["train"].used)

    Args:
        shards_dir: Folder or URL of the set.
        out_path: The Parquet file to write.
        on_video: Called after each video with how many are done, and how many there are.

    Returns:
        What was written.

    Raises:
        OSError: If it cannot be written; what was there before stays.
        ShardError: If the set is unfinished or damaged.
    """
    shards = ShardSet.open(shards_dir)
    contents = hash_contents(shards, known=known_contents(shards), on_video=on_video)
    made = passport_of(shards, contents=contents)
    write_passport(made, Path(out_path))
    return made


def passport_of(shards: ShardSet, *, contents: Mapping[str, bytes]) -> Passport:
    """Make the passport of a finished set; in that of indexed third-party tars, every video counts as used.

    Args:
        shards: The set.
        contents: Fingerprints of used videos by key, as far as they are known; see `hash_contents`.

    Raises:
        ShardError: If the set has no manifest or no ledger: it is not known which videos it lacks.
    """
    data = shards.read_named(LEDGER)
    if shards.manifest is None and shards.read_file(LEDGER) is None:
        return third_party_passport(shards, contents)
    if shards.manifest is None or data is None:
        raise ShardError(
            f"{shards.root} was not built by vidprep, or not to its end: it has no manifest or no ledger, so "
            "nobody knows which annotated videos it lacks. Build a set: vidprep build --help."
        )
    ledger = parse_ledger(data, origin=f"{shards.root}/{LEDGER}")
    labels = shards.classes
    classes = tuple(sorted(labels, key=labels.__getitem__))
    return _make(
        shards.root, shards.manifest, classes, ledger.to_pandas(), shards.index.to_pandas(), contents
    )


def write_set_passport(
    path: Path,
    manifest: Manifest,
    classes: tuple[str, ...],
    ledger: pd.DataFrame,
    stored: Sequence[Mapping[str, object]],
    contents: Mapping[str, bytes],
) -> str:
    """Write the passport of a set into it, when everything but its manifest is written.

    Args:
        path: Path of the passport.
        manifest: The manifest so far, with recipe, tools and totals.
        classes: Names in label order.
        ledger: Row of each annotated video, see `LEDGER_SCHEMA`.
        stored: Rows of the index.
        contents: Fingerprints of used videos by key, as far as they are known.

    Returns:
        The file's sha256, for the manifest.
    """
    index = pd.DataFrame(stored, columns=["key", "num_frames", "mp4_crc32"])
    write_passport(_make(str(path), manifest, classes, ledger, index, contents), path)
    return file_sha256(path)


def _make(
    origin: str,
    manifest: Manifest,
    classes: tuple[str, ...],
    ledger: pd.DataFrame,
    stored: pd.DataFrame,
    contents: Mapping[str, bytes],
) -> Passport:
    facts = stored[["key", "num_frames", "mp4_crc32"]].set_index("key")
    rows = ledger[_LEDGER_COLUMNS].reset_index(drop=True)
    known = facts.reindex(rows["key"])
    used = (rows["status"] == "used").to_numpy()
    rows["num_frames"] = np.where(used, known["num_frames"].fillna(0).to_numpy(), 0).astype(np.int32)
    crc32 = np.where(used, known["mp4_crc32"].fillna(0), 0).astype(np.uint32)
    rows["mp4_crc32"] = pd.array(crc32, pd.UInt32Dtype())
    rows.loc[~used, "mp4_crc32"] = pd.NA
    rows["content"] = [
        contents.get(key) if is_used else None for key, is_used in zip(rows["key"], used, strict=True)
    ]
    return make_passport(
        origin,
        rows.drop(columns="key"),
        recipe=manifest.recipe,
        classes=classes,
        tools=manifest.tools,
        totals=manifest.totals,
        expected=published_counts(manifest.recipe.dataset),
    )


def known_contents(shards: ShardSet) -> dict[str, bytes]:
    """Return the fingerprints in a set's own passport, by key; empty if it has no passport.

    Raises:
        ShardError: If the passport is damaged.
    """
    passport = stored_passport(shards)
    if passport is None:
        return {}
    rows = passport.rows[passport.rows["content"].notna()]
    named = zip(rows["split"], rows["video_id"], rows["content"], strict=True)
    return {escaped_key(split, video_id): content for split, video_id, content in named}


def hash_contents(
    shards: ShardSet,
    *,
    known: Mapping[str, bytes] | None = None,
    on_video: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, bytes]:
    """Return the fingerprint of each video of a set, by key; videos without a known one are decoded.

    Args:
        shards: The set.
        known: Fingerprints that are known already, by key.
        on_video: Called after each video with how many are done, and how many there are.

    Raises:
        ShardError: If a video cannot be read or does not decode; the message names it.
    """
    reader, contents = range_reader(shards.root), dict(known or {})
    splits = [shards.split(name) for name in pc.unique(shards.index["split"]).to_pylist()]
    videos = [split.video(row) for split in splits for row in range(len(split))]
    for done, video in enumerate(videos, start=1):
        if video.key not in contents:
            try:
                contents[video.key] = hash_video(read_video(reader, video), video.num_frames)
            except (av.FFmpegError, IndexError, ValueError) as error:
                raise ShardError(
                    f"{video.shard}: {video.key} does not decode ({error}). "
                    f"Check the set: vidprep verify {shards.root} --decode."
                ) from error
        on_video(done, len(videos))
    return contents


def hash_video(data: bytes, num_frames: int) -> bytes:
    """Return the fingerprint of a stored video.

    Args:
        data: The MP4.
        num_frames: Frames in it.

    Raises:
        ValueError: If fewer frames decode.
    """
    watcher = ContentWatcher(num_frames)
    with av.open(io.BytesIO(data), mode="r") as container:
        for number, frame in enumerate(container.decode(video=0)):
            watcher.see(number, frame)
    content = watcher.content()
    if content is None:
        raise ValueError(f"fewer than {num_frames} frames decode")
    return content
