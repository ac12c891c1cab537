"""Videos fetched ahead of their turn: from a disk, and a hint that never fails."""

import os
import time

import pytest

from vidprep.shards.stored_video import StoredVideo, read_ahead

SHARD = "train/some-train-000000.tar"


def _video(offset, size, shard=SHARD):
    return StoredVideo("train-a", shard, offset, size, crc32=0, num_frames=1, width=16, height=16)


def _is_in_memory(descriptor, offset, size):
    try:
        return os.preadv(descriptor, [bytearray(size)], offset, os.RWF_NOWAIT) == size
    except BlockingIOError:
        return False
    except OSError:
        pytest.skip("this file system does not tell what is in memory")


def test_videos_are_in_memory_before_they_are_read(tmp_path):
    path = tmp_path / SHARD
    path.parent.mkdir()
    path.write_bytes(bytes(64 << 20))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        wanted = (48 << 20, 1 << 20)
        if _is_in_memory(descriptor, *wanted):
            pytest.skip("this file system keeps its files in memory")
        read_ahead(str(tmp_path), [_video(*wanted)])
        deadline = time.monotonic() + 60
        while not _is_in_memory(descriptor, *wanted):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.close(descriptor)


def test_a_hint_never_fails(tmp_path):
    read_ahead(str(tmp_path), [_video(0, 10)])
    read_ahead("s3://nobody/has-this", [_video(0, 10)])
    read_ahead("memory://nothing", [_video(0, 10)])
