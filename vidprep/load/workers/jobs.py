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
    """Read one video and decode its views into rows `row`, `row` + 1, ... of slot `slot` of the ring."""

    slot: int
    row: int
    video: StoredVideo
    views: tuple[View, ...]


class Done(NamedTuple):
    """What came of a job; `slot` and `row` are the job's, times are in seconds.

    `failure` is None, "shard" (bytes missing or wrong), "decode" or "bug" (an unexpected exception);
    `message` says more.
    """

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
    """Where copies of remote shards are kept, how many bytes of them, and the shards that there are."""

    directory: Path
    max_bytes: int
    shards: "tuple[ShardEntry, ...]"


@dataclass(frozen=True)
class WorkConfig:
    """What a worker is told at its start.

    Attributes:
        root: Folder or URL of the shard set.
        pixels: Format of the batch.
        side: S of the batch, see `vidprep.load.decoding.pixels`.
        backend: The decoder.
        ring: Shape of the memory of the batches.
        read_ahead: Videos read at a time while others are decoded.
        cache: Where to keep copies of remote shards; None: nowhere.
    """

    root: str
    pixels: Pixels
    side: int
    backend: Backend
    ring: RingShape
    read_ahead: int
    cache: CacheConfig | None = None


class ReadVideo(NamedTuple):
    """The bytes of a video and the seconds that reading took, or why there are none; see `Done`."""

    data: bytes
    seconds: float
    failure: Failure | None = None
    message: str = ""


class Work:
    """Reads (in any thread) and decodes (in one thread) for the slots of a ring.

    Args:
        config: What to read, and how.
        ring: (slots, views, frames, *frame) uint8, written in place.

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
    """Return a reader of the shards at `root`, a folder or a URL; with `cache`, through local copies."""
    reader = range_reader(root)
    if cache is None:
        return reader
    return CachedReader(reader, cache.directory, max_bytes=cache.max_bytes, shards=cache.shards)


def _report(job: Job) -> str:
    return f"{job.video.shard}: unexpected error at {job.video.key}:\n{traceback.format_exc()}"
