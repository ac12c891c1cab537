"""Check third-party tars against the index that `vidprep index` wrote for them."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from vidprep.links import link_problem
from vidprep.shards.layout import INDEX
from vidprep.shards.third_party.splits import read_split_rule
from vidprep.shards.third_party.tars import find_tars
from vidprep.shards.video_file import FrameMissingError, count_frames

_AGAIN = "Copy it again, or run `vidprep index` again if it was changed on purpose."


def check_names(shards_dir: Path, known: set[str]) -> list[str]:
    """Return a problem for each tar of a folder that its index does not know."""
    rule = read_split_rule(shards_dir)
    found = {path.relative_to(shards_dir).as_posix() for path in find_tars(shards_dir)}
    return [
        f"{name} is not in {INDEX}. Run `vidprep index {shards_dir}` again."
        for name in sorted(found - known)
        if rule.split_of(name) is not None
    ]


def check_tar(shards_dir: Path, rows: list[dict[str, Any]], *, decode: bool) -> list[str]:
    """Check that a tar exists, that its videos have the bytes of the index and, on request, all their frames.

    Args:
        shards_dir: Folder of the tars.
        rows: The index's rows of one tar.
        decode: Whether to decode every video.
    """
    name = rows[0]["shard"]
    if problem := link_problem(shards_dir, name):
        return [problem]
    path = shards_dir / name
    if not path.is_file():
        return [f"{name} is missing. {_AGAIN}"]
    data = path.read_bytes()
    return [f"{name}: {row['key']}: {problem}." for row in rows for problem in _check_row(row, data, decode)]


def _check_row(row: dict[str, Any], data: bytes, decode: bool) -> Iterator[str]:
    end = row["mp4_offset"] + row["mp4_size"]
    video = data[row["mp4_offset"] : end]
    if end > len(data):
        yield f"the video ends at byte {end:,}, the tar has {len(data):,}. {_AGAIN.removesuffix('.')}"
    elif zlib.crc32(video) != row["mp4_crc32"]:
        yield f"the video's checksum differs from the index. {_AGAIN.removesuffix('.')}"
    elif decode:
        yield from frame_problems(row["num_frames"], video)


def frame_problems(num_frames: int, video: bytes) -> Iterator[str]:
    """Yield what is wrong with the frames of a video that should have `num_frames`."""
    try:
        found = count_frames(video).num_frames
    except (av.FFmpegError, FrameMissingError) as error:
        yield f"the video does not decode: {error}"
        return
    if found != num_frames:
        yield f"{found} frames decode, the index says {num_frames}"
