"""Where a stored video lies, and reading its bytes: a range of a shard, on a disk or in a store, checked.

This module does not import the index's, so that workers need no pyarrow.
"""

import os
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

from fsspec.asyn import AsyncFileSystem, sync

from vidprep.errors import ShardError
from vidprep.links import inside, open_store, plain_root

# Failures that a second attempt would not change.
_FINAL = (FileNotFoundError, PermissionError, NotADirectoryError)


class StoredVideo(NamedTuple):
    """Where a stored video lies, and what it holds.

    Attributes:
        key: Key of the sample.
        shard: Path of the tar inside the set.
        offset: First byte of the MP4 in the tar.
        size: Bytes of the MP4.
        crc32: Checksum of the MP4.
        num_frames: Frames of the video.
        width: Width in pixels.
        height: Height in pixels.
    """

    key: str
    shard: str
    offset: int
    size: int
    crc32: int
    num_frames: int
    width: int
    height: int


class RangeReader(Protocol):
    """Reads byte ranges of the shards of one set; may be used by several threads at once."""

    def read(self, shard: str, offset: int, size: int) -> bytes:
        """Return `size` bytes of a shard from `offset` on; fewer if the shard ends before.

        Raises:
            OSError: If the shard cannot be read.
            ShardError: If the shard is not part of the set.
        """


class LocalReader:
    """Reads shards on a disk."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._paths: dict[str, Path] = {}

    def read(self, shard: str, offset: int, size: int) -> bytes:
        """Return a byte range; see `RangeReader`."""
        # Opened each time: 10 us, and no table of open files to bound when there are 1,000 shards.
        return pread(self._path(shard), offset, size)

    def _path(self, shard: str) -> Path:
        """Return the path of a shard; links are resolved once, not for each video."""
        if shard not in self._paths:
            self._paths[shard] = inside(self._root, shard)
        return self._paths[shard]


class RemoteReader:
    """Reads shards at a URL that fsspec knows, with range requests; failed ones are repeated.

    Credentials come from the environment, where the store's own client looks for them.

    Args:
        root: URL of the shard set.
        attempts: Number of requests for one range before giving up.
        backoff_seconds: Wait before the second attempt; it doubles each time, and half of it is random.
        timeout_seconds: Limit for one request.
    """

    def __init__(
        self, root: str, *, attempts: int = 5, backoff_seconds: float = 0.5, timeout_seconds: float = 60.0
    ) -> None:
        self._filesystem, self._path = open_store(root)
        self._attempts = attempts
        self._backoff_seconds = backoff_seconds
        self._timeout_seconds = timeout_seconds

    def read(self, shard: str, offset: int, size: int) -> bytes:
        """Return a byte range; see `RangeReader`."""
        jitter = Random(f"{os.getpid()} {shard} {offset}")
        for attempt in range(1, self._attempts + 1):
            try:
                return self._request(f"{self._path}/{shard}", offset, offset + size)
            except _FINAL:
                raise
            except Exception as error:  # each store has an error tree of its own
                if attempt == self._attempts:
                    raise OSError(f"{attempt} attempts failed, the last one with {error!r}") from error
            time.sleep(self._backoff_seconds * 2 ** (attempt - 1) * (1 + jitter.random()) / 2)
        raise AssertionError("attempts is at least 1")

    def _request(self, path: str, start: int, stop: int) -> bytes:
        filesystem = self._filesystem
        if isinstance(filesystem, AsyncFileSystem):
            request = (filesystem.loop, filesystem._cat_file, path)
            data: bytes = sync(*request, start=start, end=stop, timeout=self._timeout_seconds)
        else:
            data = filesystem.cat_file(path, start=start, end=stop)
        return data


def pread(path: Path, offset: int, size: int) -> bytes:
    """Return up to `size` bytes of a file from `offset` on."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


def read_video(reader: RangeReader, video: StoredVideo) -> bytes:
    """Return the bytes of a stored video, checked against the index.

    Raises:
        ShardError: If the shard is missing, too short, unreadable, or holds other bytes; the message names
            shard and key.
    """
    try:
        data = reader.read(video.shard, video.offset, video.size)
    except FileNotFoundError as error:
        raise ShardError(
            f"{video.shard}: missing; it holds the video of {video.key}. Copy or build it again."
        ) from error
    except OSError as error:
        raise ShardError(f"{video.shard}: the video of {video.key} cannot be read: {error}.") from error
    if len(data) != video.size:
        raise ShardError(
            f"{video.shard}: {len(data)} of the {video.size} bytes of {video.key} are there: "
            "the shard is cut off, or the index is of another build. Copy or build the shard again."
        )
    if (found := zlib.crc32(data)) != video.crc32:
        raise ShardError(
            f"{video.shard}: {video.key} has crc32 {found:08x}, the index says {video.crc32:08x}: "
            "the shard is damaged, or the index is of another build. Copy or build the shard again."
        )
    return data


def read_ahead(root: str, videos: Iterable[StoredVideo]) -> None:
    """Ask the system to read videos from the disk that will be needed soon, without waiting for them.

    It is only a hint: for shards in a store, or that cannot be read, nothing happens.
    """
    if "://" in root or not hasattr(os, "posix_fadvise"):
        return
    for shard, of_shard in groupby(videos, attrgetter("shard")):
        with suppress(OSError, ShardError):
            descriptor = os.open(inside(root, shard), os.O_RDONLY | os.O_CLOEXEC)
            try:
                for video in of_shard:
                    os.posix_fadvise(descriptor, video.offset, video.size, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)


def range_reader(root: str) -> RangeReader:
    """Return the reader for the shards of a set in a folder or at a URL."""
    root = plain_root(root)
    return RemoteReader(root) if "://" in root else LocalReader(root)
