"""Write one shard: a plain USTAR tar, the same bytes for the same samples, hashed while it is written.

The tar is written with the standard library rather than webdataset's TarWriter: importing that package
imports torch (0.8 s and 180 MB for each build worker), and the index needs the offsets of the members.
"""

import hashlib
import json
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_BLOCK_BYTES = 512  # bytes of a header; members are padded to a multiple of it
_NAME_BYTES = 100  # a key has 90 at most


def _template() -> bytes:
    info = tarfile.TarInfo("")
    info.mode = 0o444
    info.uname = info.gname = "vidprep"
    return info.tobuf(tarfile.USTAR_FORMAT)


# tarfile takes 0.1 ms for a header, of which a video has three; they differ in three fields only.
_TEMPLATE = _template()
# The keys of a sample's JSON member.
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
        split: "train" or "validation".
        video_id: Id of the video in the annotation.
        label: Number of the class within the set.
        label_full: Number of the class within the full dataset.
        class_name: Name of the class.
        num_frames: Frames of the stored video.
        width: Width of the stored video in pixels.
        height: Height of the stored video in pixels.
        fps: Nominal frame rate; frame i is shown at i / fps seconds. 0.0: unknown.
        duration_seconds: num_frames / fps. 0.0: unknown.
        video: Bytes of the MP4 file.
        more_labels: Name, class and label of each further label, e.g. ("noun", "spoon", 1).
        crc32: Checksum of the video, if it is known already; else None.
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
    more_labels: tuple[tuple[str, str, int], ...] = ()
    crc32: int | None = None

    def members(self) -> dict[str, bytes]:
        """Return the sample's members by extension, in the order of `MEMBERS`."""
        # Flat, with fixed keys and types: no nulls, and floats are always written as floats.
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
        text = json.dumps(facts | self.further_labels(), ensure_ascii=True)
        return {"cls": str(self.label).encode(), "json": text.encode(), "mp4": self.video}

    def further_labels(self) -> dict[str, object]:
        """Return the further labels by their names in JSON and index: `class_noun` and `label_noun`."""
        return {
            key: value
            for name, class_name, label in self.more_labels
            for key, value in ((f"class_{name}", class_name), (f"label_{name}", label))
        }


class ShardWriter:
    """Writes samples to a tar and collects their index rows.

    After the `with` block has ended without an error, the file is complete and on the disk.

    Attributes:
        rows: Index rows of the samples so far, without the `shard` column: a shard gets its name at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, object]] = []

    def __enter__(self) -> Self:
        self._file = _HashingFile(self.path.open("wb"))
        return self

    def write(self, sample: Sample) -> None:
        """Append one sample; its bytes are then in the file, even if this process is killed."""
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
            "mp4_crc32": zlib.crc32(sample.video) if sample.crc32 is None else sample.crc32,
        }
        at, pieces = self._file.tell(), []
        for extension, data in sample.members().items():
            row[f"{extension}_offset"], row[f"{extension}_size"] = at + _BLOCK_BYTES, len(data)
            pieces += [
                _header(f"{sample.key}.{extension}", len(data)),
                data,
                bytes(-len(data) % _BLOCK_BYTES),
            ]
            at += sum(map(len, pieces[-3:]))
        # The video comes last and is by far the largest: hashed and written in one piece, without a copy.
        *small, video, padding = pieces
        for piece in (b"".join(small), video, padding):
            self._file.write(piece)
        row |= sample.further_labels()
        self._file.flush()
        self.rows.append(row)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                end = self._file.tell() + 2 * _BLOCK_BYTES
                self._file.write(bytes(2 * _BLOCK_BYTES + -end % tarfile.RECORDSIZE))
                self._file.sync()
        finally:
            self._file.close()

    @property
    def size_bytes(self) -> int:
        """Size of the finished tar."""
        return self._file.tell()

    @property
    def sha256(self) -> str:
        """sha256 of the finished tar."""
        return self._file.sha256.hexdigest()

    @property
    def md5(self) -> str:
        """md5 of the finished tar, which the `wids` reader needs."""
        return self._file.md5.hexdigest()


def _header(name: str, size: int) -> bytes:
    """Return the header of a member: `_TEMPLATE` with its name, size and checksum."""
    head = name.encode("ascii").ljust(_NAME_BYTES, b"\0") + _TEMPLATE[_NAME_BYTES:124] + b"%011o\0" % size
    tail = _TEMPLATE[136:148], _TEMPLATE[156:]
    # The checksum is computed with eight blanks in its place.
    checksum = sum(head) + sum(map(sum, tail)) + 8 * ord(" ")
    return b"".join((head, tail[0], b"%06o\0 " % checksum, tail[1]))


class _HashingFile:
    """A binary file that hashes what is written to it."""

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

    def flush(self) -> None:
        self._file.flush()

    def sync(self) -> None:
        self.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
