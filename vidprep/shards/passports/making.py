"""The passport of a finished shard set: the one that lies in it, or one made from its ledger and index."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pandas as pd

from vidprep.errors import ShardError
from vidprep.recipes.classes import expected_counts
from vidprep.shards.index import read_index
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import read_manifest
from vidprep.shards.passports.content_hash import GRID_HEIGHT, GRID_WIDTH, Grid, content_hash, sampled_frames
from vidprep.shards.passports.passport import PASSPORT, Passport, make_passport, read_passport
from vidprep.shards.shard_set import ShardSet


def open_passport(path: str | Path) -> Passport:
    """Read a passport file, or that of a shard set.

    A set without a passport of its own gets one made from its ledger and index, without fingerprints.

    Raises:
        ShardError: If there is neither, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        own = path / PASSPORT
        return read_passport(own) if own.is_file() else passport_of(path, contents=None)
    return read_passport(path)


def passport_of(shards_dir: Path, *, contents: dict[str, bytes] | None) -> Passport:
    """Make the passport of a finished set.

    Args:
        shards_dir: The set.
        contents: Fingerprint of each used video by its key, see `hash_contents`; None: without.
    """
    manifest, shard_set = read_manifest(shards_dir), ShardSet.open(shards_dir)
    facts = read_index(shards_dir).select(["key", "num_frames", "mp4_crc32"]).to_pandas().set_index("key")
    columns = ["key", "split", "video_id", "label", "status", "reason"]
    rows = read_ledger(shards_dir).select(columns).to_pandas()
    known = facts.reindex(rows["key"])
    used = (rows["status"] == "used").to_numpy()
    rows["num_frames"] = np.where(used, known["num_frames"].fillna(0).to_numpy(), 0).astype(np.int32)
    rows["mp4_crc32"] = pd.array(
        np.where(used, known["mp4_crc32"].fillna(0), 0).astype(np.uint32), pd.UInt32Dtype()
    )
    rows.loc[~used, "mp4_crc32"] = pd.NA
    rows["content"] = [contents.get(key) if contents else None for key in rows["key"]]
    classes = shard_set.classes
    return make_passport(
        str(shards_dir),
        rows.drop(columns="key"),
        recipe=manifest.recipe,
        classes=tuple(sorted(classes, key=classes.__getitem__)),
        tools=manifest.tools,
        totals=manifest.totals,
        expected=expected_counts(manifest.recipe.dataset),
    )


def hash_contents(
    shards_dir: Path, *, on_video: Callable[[int, int], object] = lambda done, total: None
) -> dict[str, bytes]:
    """Decode every video of a set and return the fingerprint of each, by key.

    Args:
        shards_dir: The set.
        on_video: Called after each video with how many are done, and how many there are.

    Raises:
        ShardError: If a video does not decode; the message names it.
    """
    index = (
        read_index(shards_dir).select(["key", "shard", "mp4_offset", "mp4_size", "num_frames"]).to_pylist()
    )
    contents = {}
    for done, row in enumerate(index, start=1):
        with (shards_dir / row["shard"]).open("rb") as tar:
            tar.seek(row["mp4_offset"])
            data = tar.read(row["mp4_size"])
        try:
            contents[row["key"]] = hash_video(data, row["num_frames"])
        except (av.FFmpegError, IndexError, ValueError) as error:
            raise ShardError(
                f"{row['shard']}: {row['key']} does not decode ({error}). "
                f"Check the set: vidprep verify {shards_dir} --decode."
            ) from error
        on_video(done, len(index))
    return contents


def hash_video(data: bytes, num_frames: int) -> bytes:
    """Return the fingerprint of a stored video.

    Args:
        data: The MP4.
        num_frames: Frames in it.

    Raises:
        ValueError: If fewer frames decode.
    """
    wanted = sampled_frames(num_frames)
    with av.open(io.BytesIO(data), mode="r") as container:
        grids = dict(grids_of(container.decode(video=0), wanted))
    if set(wanted) - grids.keys():
        raise ValueError(f"fewer than {num_frames} frames decode")
    return content_hash([grids[number] for number in wanted])


def grids_of(frames: Iterator[av.VideoFrame], wanted: tuple[int, ...]) -> Iterator[tuple[int, Grid]]:
    """Yield number and (8, 9) grey levels of the wanted frames out of all frames of a video, in order."""
    for number, frame in enumerate(frames):
        if number in wanted:
            small = frame.reformat(width=GRID_WIDTH, height=GRID_HEIGHT, format="gray", interpolation="AREA")
            yield number, small.to_ndarray().astype(np.uint8, copy=False)
