"""What is left of a shard after a stop, a crash or `kill -9`: finished videos, which the next run takes over.

staging/000007.ab12cd34.partial   the tar that was being written
staging/000007.ab12cd34.jsonl     a line for each sample in it, written after the sample

A process that is killed after it staged its tar and before it wrote the done-file leaves the lines alone; the
tar is `staging/000007.tar` then.

No video is written twice for this, and none is trusted: it counts if the plan is the same and its bytes have
the checksum in its line.
"""

import json
import os
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, ValidationError

from vidprep.builder.workspace.paths import done_path, staging_path
from vidprep.builder.workspace.plan_file import read_facts
from vidprep.recipes.toml_models import Frozen

_LINES = ".jsonl"
# Called after a sample is written, with its index row and the facts that its done-file will have.
Note = Callable[[dict[str, Any], dict[str, str]], None]


class KeptVideo(Frozen):
    """A video of an unfinished tar: a line beside it.

    Attributes:
        plan: Hash of the plan that the tar was written by.
        key: Key of the sample. This and the fields up to `mp4_crc32` are as in the index.
        details: This and the fields after it are as in the done-file; "" if unknown.
    """

    plan: str
    key: str
    num_frames: int
    width: int
    height: int
    fps: float
    duration_seconds: float
    mp4_offset: NonNegativeInt
    mp4_size: NonNegativeInt
    mp4_crc32: int
    details: str
    sources: str = ""
    suspects: str = ""
    contents: str = ""


@dataclass(frozen=True)
class Unfinished:
    """A tar that was begun, and the whole videos in it.

    Attributes:
        partial_path: Path under which it was written.
        tar_path: Where it lies: there, or where finished tars are staged.
        videos: What its lines say of the videos, by key.
    """

    partial_path: Path
    tar_path: Path
    videos: dict[str, KeptVideo]

    def read(self, key: str) -> bytes | None:
        """Return a stored video, or None if its bytes are not there any more."""
        video = self.videos[key]
        try:
            with self.tar_path.open("rb") as tar:
                if video.mp4_offset + video.mp4_size > os.fstat(tar.fileno()).st_size:
                    return None
                tar.seek(video.mp4_offset)
                data = tar.read(video.mp4_size)
        except OSError:
            return None
        return data if zlib.crc32(data) == video.mp4_crc32 else None


@contextmanager
def noted_samples(out_dir: Path, partial_path: Path) -> Iterator[Note]:
    """Give a function that notes each sample written to an unfinished tar."""
    plan = read_facts(out_dir).sha256
    with partial_path.with_suffix(_LINES).open("w", encoding="utf-8", buffering=1) as lines:

        def note(row: dict[str, Any], facts: dict[str, str]) -> None:
            known = {name: row[name] for name in KeptVideo.model_fields if name in row}
            lines.write(json.dumps({"plan": plan} | facts | known) + "\n")

        yield note


def find_unfinished(out_dir: Path, shard: int) -> dict[str, Unfinished]:
    """Return what earlier attempts at a shard have left, by the key of each video that is whole."""
    plan = read_facts(out_dir).sha256
    found: dict[str, Unfinished] = {}
    for partial_path in _partial_paths(out_dir):
        if _shard_of(partial_path) == shard:
            tar_path = partial_path if partial_path.exists() else staging_path(out_dir, shard)
            unfinished = Unfinished(partial_path, tar_path, _read_lines(partial_path, plan))
            found |= {key: unfinished for key in unfinished.videos if unfinished.read(key) is not None}
    return found


def num_kept_videos(out_dir: Path) -> int:
    """Return how many videos of unfinished shards an earlier attempt has left."""
    plan = read_facts(out_dir).sha256
    paths = [path for path in _partial_paths(out_dir) if not _is_finished(out_dir, path)]
    return len({key for path in paths for key in _read_lines(path, plan)})


def remove_unfinished(partial_path: Path) -> None:
    """Remove an unfinished tar and its lines."""
    partial_path.with_suffix(_LINES).unlink(missing_ok=True)
    partial_path.unlink(missing_ok=True)


def clear_unfinished(out_dir: Path, pending: Collection[int] = ()) -> None:
    """Remove unfinished tars, but those of this plan that a shard can still be filled from."""
    plan = read_facts(out_dir).sha256
    for path in _partial_paths(out_dir):
        if not (_shard_of(path) in pending and _read_lines(path, plan)):
            remove_unfinished(path)


def _partial_paths(out_dir: Path) -> list[Path]:
    """Return the paths under which tars were begun, also of those that are staged by now."""
    staging = staging_path(out_dir, 0).parent
    found = (*staging.glob("*.partial"), *staging.glob(f"*{_LINES}"))
    return sorted({path.with_suffix(".partial") for path in found})


def _shard_of(partial_path: Path) -> int | None:
    number = partial_path.name.split(".")[0]
    return int(number) if number.isdigit() else None


def _is_finished(out_dir: Path, partial_path: Path) -> bool:
    shard = _shard_of(partial_path)
    return shard is not None and done_path(out_dir, shard).is_file()


def _read_lines(partial_path: Path, plan: str) -> dict[str, KeptVideo]:
    videos: dict[str, KeptVideo] = {}
    try:
        lines = partial_path.with_suffix(_LINES).read_bytes().splitlines()
    except OSError:  # none: begun by another version, or removed meanwhile
        return {}
    for line in lines:
        with suppress(ValidationError):  # the last line of a process that was killed
            video = KeptVideo.model_validate_json(line)
            videos |= {video.key: video} if video.plan == plan else {}
    return videos
