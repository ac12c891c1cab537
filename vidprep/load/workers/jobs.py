"""A job is one video to read and decode. No torch here: a worker starts without it."""

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from vidprep.errors import DecodeError, ShardError
from vidprep.load.cache import CachedReader
from vidprep.load.decoding.decode import Backend, Timing, decoder_for
from vidprep.load.decoding.pixels import Pixels, Uint8s
from vidprep.load.sampling.views import View
from vidprep.load.workers.ring import RingShape
from vidprep.shards.stored_video import RangeReader, StoredVideo, range_reader, read_video

if TYPE_CHECKING:  # workers need no pydantic unless there is a cache
    from vidprep.shards.manifest import ShardEntry

Failure = Literal["shard", "decode", "bug"]


class Job(NamedTuple):
    """Decode the views of a video into rows `row`, `row` + 1, ... of a slot."""

    slot: int
    row: int
    video: StoredVideo
    views: tuple[View, ...]


class Done(NamedTuple):
    """A job is finished; `failure` is None unless it failed. Times are in seconds."""

    slot: int
    row: int
    size_bytes: int = 0
    read: float = 0.0
    decode: float = 0.0
    convert: float = 0.0
    failure: Failure | None = None
    message: str = ""


@dataclass(frozen=True)
class CacheConfig:
    """Where copies of remote shards are kept, and of which ones."""

    directory: Path
    max_bytes: int
    shards: "tuple[ShardEntry, ...]"


@dataclass(frozen=True)
class WorkConfig:
    """All that a worker has to know beforehand."""

    root: str
    pixels: Pixels
    side: int
    backend: Backend
    ring: RingShape
    read_ahead: int
    cache: CacheConfig | None = None


class ReadVideo(NamedTuple):
    """The bytes of a video, or why there are none."""

    data: bytes
    seconds: float
    failure: Failure | None = None
    message: str = ""


class Work:
    """Reads (in any thread) and decodes (in one thread) for the slots of a ring.

    Raises:
        ToolError: If the decoder backend is not installed.
    """

    def __init__(self, config: WorkConfig, ring: Uint8s) -> None:
        self._ring = ring
        self._reader = reader_for(config.root, config.cache)
        self._decoder = decoder_for(config.backend, config.pixels, config.side)

    def read(self, job: Job) -> ReadVideo:
        """Read the video of a job."""
        start = time.perf_counter()
        try:
            data = read_video(self._reader, job.video)
        except ShardError as error:
            return ReadVideo(b"", 0.0, "shard", str(error))
        except Exception:  # anything unexpected ends the run, with the key in the message
            return ReadVideo(b"", 0.0, "bug", _report(job))
        return ReadVideo(data, time.perf_counter() - start)

    def decode(self, job: Job, video: ReadVideo) -> Done:
        """Decode the video of a job into its rows."""
        if video.failure:
            return Done(job.slot, job.row, failure=video.failure, message=video.message)
        rows = self._ring[job.slot, job.row : job.row + len(job.views)]
        timing, failure, message = Timing(), None, ""  # type: Timing, Failure | None, str
        try:
            timing = self._decoder.decode(video.data, job.views, rows, num_frames=job.video.num_frames)
        except DecodeError as error:
            failure, message = "decode", f"{job.video.shard}: {job.video.key} does not decode: {error}."
        except Exception:
            failure, message = "bug", _report(job)
        return Done(
            job.slot, job.row, len(video.data), video.seconds, timing.decode, timing.convert, failure, message
        )


def reader_for(root: str, cache: CacheConfig | None) -> RangeReader:
    """Return a reader of the shards at `root`, a folder or a URL."""
    reader = range_reader(root)
    if cache is None:
        return reader
    return CachedReader(reader, cache.directory, max_bytes=cache.max_bytes, shards=cache.shards)


def _report(job: Job) -> str:
    return f"{job.video.shard}: unexpected error at {job.video.key}:\n{traceback.format_exc()}"
