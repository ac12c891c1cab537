"""Find third-party tars and their samples: where each lies, and its label."""

import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from vidprep.errors import ShardError
from vidprep.links import inside
from vidprep.shards.stored_video import pread
from vidprep.shards.video_file import FrameMissingError, count_frames

VIDEO_EXTENSIONS = ("mp4", "webm", "mkv", "mov", "m4v", "avi", "ts", "mpg")
NO_LABEL = -1


@dataclass(frozen=True)
class TarIndex:
    """The index rows of one tar, and the reasons of rejected videos by key."""

    rows: list[dict[str, object]]
    rejected: dict[str, str]


def find_tars(directory: Path) -> list[Path]:
    """Return the tars below a folder, in order.

    Raises:
        ShardError: If there are none, or a link leads to some that lie elsewhere.
    """
    tars = sorted(directory.rglob("*.tar"))
    for path in (*tars, *_linked_folders(directory)):
        inside(directory, path.relative_to(directory).as_posix())
    if not tars and (tables := sorted(directory.rglob("*.parquet"))):
        raise ShardError(
            f"No tars below {directory}, but tables such as {tables[0].relative_to(directory)}. Videos "
            "inside parquet files are not read: write them as WebDataset tars, with KEY.mp4 and KEY.cls each."
        )
    if not tars:
        raise ShardError(
            f"No tars below {directory}. A WebDataset shard is an uncompressed file named *.tar."
        )
    return tars


def _linked_folders(directory: Path) -> list[Path]:
    """Return the links to folders with tars; a walk does not follow them, so an index would lack these."""
    links = (path for path in directory.rglob("*") if path.is_symlink() and path.is_dir())
    return [path for path in links if [*path.glob("*.tar"), *path.glob("*/*.tar")]]


def index_tar(path: Path, directory: Path, *, split: str = "train") -> TarIndex:
    """Decode every video of a tar and return the index rows.

    The label is the number or name in the `cls` member, or `label` in the `json` member. If it is a name, it
    is in the column `class`, and the label is -1 for now.

    Raises:
        ShardError: If the file is not an uncompressed tar.
    """
    found = TarIndex([], {})
    for key, members in _samples(path):
        video = next((members[kind] for kind in VIDEO_EXTENSIONS if kind in members), None)
        if video is None:
            found.rejected[key] = "no video member"
            continue
        try:
            facts = _video_facts(pread(path, video.offset_data, video.size)) | _label(path, members)
        except (FrameMissingError, av.FFmpegError, ValueError) as error:
            found.rejected[key] = str(error)
            continue
        place = {
            "key": key,
            "video_id": key,
            "split": split,
            "shard": path.relative_to(directory).as_posix(),
            "position": len(found.rows),
            "mp4_offset": video.offset_data,
            "mp4_size": video.size,
        }
        found.rows.append(place | facts | dict.fromkeys(_NOT_USED, 0))
    return found


_NOT_USED = ("cls_offset", "cls_size", "json_offset", "json_size")


def _samples(path: Path) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Yield (key, members by extension); as WebDataset demands, the members of a sample are adjacent."""
    try:
        with tarfile.open(path, "r:") as tar:
            infos = [info for info in tar if info.isreg()]
    except tarfile.TarError as error:
        raise ShardError(f"{path}: no plain, uncompressed tar: {error}.") from error
    current: tuple[str, dict[str, tarfile.TarInfo]] = ("", {})
    for info in infos:
        folder, _, name = info.name.rpartition("/")
        stem, _, extension = name.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        if key != current[0] and current[1]:
            yield current
            current = (key, {})
        current = (key, current[1])
        current[1][extension.lower()] = info
    if current[1]:
        yield current


def _video_facts(video: bytes) -> dict[str, object]:
    num_frames, width, height, fps = count_frames(video)
    return {
        "num_frames": num_frames,
        "width": width,
        "height": height,
        "fps": fps,
        "duration_seconds": num_frames / fps if fps else 0.0,
        "mp4_crc32": zlib.crc32(video),
    }


def _label(path: Path, members: dict[str, tarfile.TarInfo]) -> dict[str, object]:
    label: Any = NO_LABEL
    try:
        if "cls" in members:
            label = _read(path, members["cls"]).decode().strip()
        elif "json" in members:
            label = json.loads(_read(path, members["json"])).get("label", NO_LABEL)
    except (ValueError, AttributeError) as error:  # not UTF-8; not JSON, or no object
        member = "cls" if "cls" in members else "json"
        raise ValueError(f"the member {member} holds no label: {error}") from error
    text = "" if label is None else str(label)
    if text.lstrip("-").isdigit():
        return {"label": int(text), "class": "" if int(text) == NO_LABEL else text}
    return {"label": NO_LABEL, "class": text}


def _read(path: Path, info: tarfile.TarInfo) -> bytes:
    return pread(path, info.offset_data, info.size)
