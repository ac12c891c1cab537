"""Write one shard: plain USTAR, the same bytes for the same samples, hashed on the way to the disk.

The tar is written with the standard library rather than webdataset's TarWriter: importing that package
imports torch (0.8 s and 180 MB for each build worker), and the index needs the offsets of the members.
"""

import hashlib
import json
import os
import tarfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vidprep.shards.layout import MEMBERS

_HEADER_BYTES = 512
# What a sample's JSON member tells.
FACTS = {
    "video_id",
    "split",
    "label",
    "label_full",
    "class",
    "num_frames",
    "width",
    "height",
    "fps",
    "duration_seconds",
}


@dataclass(frozen=True)
class Sample:
    """What a shard holds for one video.

    Attributes:
        key: Unique name over all splits, see `layout.sample_key`.
        label: Index within the subset.
        label_full: Index within the full dataset.
        num_frames: Frames of the stored video.
        fps: Nominal frame rate; frame i is shown at i / fps seconds. 0.0: unknown.
        duration_seconds: num_frames / fps. 0.0: unknown.
        video: The MP4 file.
    """

    key: str
    split: str
    video_id: str
    label: int
    label_full: int
    class_name: str
    num_frames: int
    width: int
    height: int
    fps: float
    duration_seconds: float
    video: bytes

    def members(self) -> dict[str, bytes]:
        """Return the sample's members by extension, in the order of `MEMBERS`."""
        # Flat, closed and typed: no nulls, and floats always written as floats, whatever their value.
        facts = {
            "video_id": self.video_id,
            "split": self.split,
            "label": self.label,
            "label_full": self.label_full,
            "class": self.class_name,
            "num_frames": self.num_frames,
            "width": self.width,
            "height": self.height,
            "fps": float(self.fps),
            "duration_seconds": float(self.duration_seconds),
        }
        text = json.dumps(facts, ensure_ascii=True)
        return {"cls": str(self.label).encode(), "json": text.encode(), "mp4": self.video}


class ShardWriter:
    """Writes samples to a tar and collects their index rows.

    The file is complete, and on the disk, when the `with` block has ended without an error.

    Attributes:
        rows: Index rows of the samples so far, without the `shard` column: a shard gets its name at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, object]] = []

    def __enter__(self) -> Self:
        self._file = _HashingFile(self.path.open("wb"))
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # type: ignore[call-overload]
        return self

    def write(self, sample: Sample) -> None:
        """Append one sample."""
        row: dict[str, object] = {
            "key": sample.key,
            "split": sample.split,
            "position": len(self.rows),
            "label": sample.label,
            "class": sample.class_name,
            "video_id": sample.video_id,
            "num_frames": sample.num_frames,
            "width": sample.width,
            "height": sample.height,
            "fps": float(sample.fps),
            "duration_seconds": float(sample.duration_seconds),
            "mp4_crc32": zlib.crc32(sample.video),
        }
        members = sample.members()
        for extension in MEMBERS:
            row[f"{extension}_offset"] = self._add(f"{sample.key}.{extension}", members[extension])
            row[f"{extension}_size"] = len(members[extension])
        self.rows.append(row)

    def _add(self, name: str, data: bytes) -> int:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mode = 0o444
        info.uname = info.gname = "vidprep"
        offset: int = self._tar.offset + _HEADER_BYTES
        self._tar.addfile(info, BytesIO(data))
        return offset

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._tar.close()
                self._file.sync()
        finally:
            self._file.close()

    @property
    def size_bytes(self) -> int:
        """Bytes of the finished tar."""
        return self._file.tell()

    @property
    def sha256(self) -> str:
        """Hash of the finished tar."""
        return self._file.sha256.hexdigest()

    @property
    def md5(self) -> str:
        """The hash that the `wids` reader wants."""
        return self._file.md5.hexdigest()


class _HashingFile:
    """The part of a binary file that `tarfile` writes to, hashing what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.md5.update(data)
        self._size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._size

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
