"""Whole shards kept on a local disk, shared by all processes of a node.

A file is named after the sha256 of its content and appears in one rename when that has been checked, so a
cache holds nothing half-written or wrong, and a shard of another build has another name. A node fetches a few
shards at a time, not all that its processes wait for: the first one is there sooner, and none takes so long
that its requests time out.
"""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from vidprep.errors import ShardError
from vidprep.shards.stored_video import RangeReader, pread

if TYPE_CHECKING:
    from vidprep.shards.manifest import ShardEntry

_PART_BYTES = 16 << 20
_NUM_LANES = 16  # locks; a node fetches one shard at a time under each


class CachedReader:
    """Reads byte ranges from local copies; fetches a shard when it is first needed.

    Args:
        source: Reads the shards where they are.
        cache_dir: A folder on a local disk; made if it is missing.
        max_bytes: Limit for all copies together; those not used for longest are deleted first.
        shards: The entries of the manifest.

    Raises:
        ValueError: If `max_bytes` is less than the largest shard.
    """

    def __init__(
        self, source: RangeReader, cache_dir: Path, *, max_bytes: int, shards: "tuple[ShardEntry, ...]"
    ) -> None:
        largest = max(entry.size_bytes for entry in shards)
        if largest > max_bytes:
            raise ValueError(f"cache_bytes must hold the largest shard, {largest} bytes; got {max_bytes}.")
        self._source = source
        self._dir = cache_dir
        self._max_bytes = max_bytes
        self._entries = {entry.name: entry for entry in shards}
        cache_dir.mkdir(parents=True, exist_ok=True)

    def read(self, shard: str, offset: int, size: int) -> bytes:
        """Return a byte range; see `RangeReader`."""
        entry = self._entries[shard]
        path = self._dir / f"{entry.sha256}.tar"
        while True:
            try:
                data = pread(path, offset, size)
                os.utime(path)
                return data
            except FileNotFoundError:  # not fetched yet, or another process has just made room
                self._fetch(entry, path)

    def _fetch(self, entry: "ShardEntry", path: Path) -> None:
        lane = int(entry.sha256[:8], 16) % _NUM_LANES
        with FileLock(_lane_lock(self._dir, lane)):
            if path.exists():
                return
            self._make_room(entry.size_bytes)
            part = path.with_suffix(".part")
            try:
                self._download(entry, part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _download(self, entry: "ShardEntry", part: Path) -> None:
        digest = hashlib.sha256()
        with part.open("wb") as file:
            for start in range(0, entry.size_bytes, _PART_BYTES):
                data = self._source.read(entry.name, start, min(_PART_BYTES, entry.size_bytes - start))
                digest.update(data)
                file.write(data)
        if digest.hexdigest() != entry.sha256:
            raise ShardError(
                f"{entry.name}: what was fetched has sha256 {digest.hexdigest()[:12]}…, the manifest says "
                f"{entry.sha256[:12]}…. The store holds another or a damaged shard; nothing was cached."
            )

    def _make_room(self, needed: int) -> None:
        with FileLock(self._dir / "room.lock"):
            # Copies on their way count too: they are about to become files.
            copies = [(path, path.stat()) for kind in ("tar", "part") for path in self._dir.glob(f"*.{kind}")]
            excess = sum(stat.st_size for _, stat in copies) + needed - self._max_bytes
            for path, stat in sorted(copies, key=lambda copy: copy[1].st_mtime):
                if excess <= 0:
                    return
                if path.suffix == ".tar":
                    path.unlink(missing_ok=True)
                    excess -= stat.st_size


def is_fetching(cache_dir: Path) -> bool:
    """Tell whether a process of this node fetches a shard just now; one that has ended does not."""
    for lane in range(_NUM_LANES):
        try:
            with FileLock(_lane_lock(cache_dir, lane), timeout=0):
                pass
        except Timeout:
            return True
    return False


def _lane_lock(cache_dir: Path, lane: int) -> Path:
    return cache_dir / f"fetching-{lane}.lock"
