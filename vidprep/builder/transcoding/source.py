"""The raw file of a video: checked to be the planned one, hashed, and unchanged until FFmpeg is done."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import fsspec

from vidprep.builder.transcoding.image_folders import pack_images
from vidprep.datasets.archives.extracting import archive_reader
from vidprep.datasets.archives.parts import MARK
from vidprep.errors import SourceError, VideoRejected
from vidprep.files import is_disk_full, open_regular, store_errors
from vidprep.shards.segment import Segment

Row = dict[str, Any]
_CHUNK_BYTES = 2**20
_HASHES: dict[tuple[int, ...], str] = {}  # of files that hold several samples, by `Source.identity`


@dataclass(frozen=True)
class Source:
    """A raw file that has been read from end to end.

    Attributes:
        row: Row of the plan.
        path: The local file; a copy if the source lies in a remote store.
        sha256: sha256 of its bytes.
        identity: Device, inode, size and time of last change; another file of that name differs in these.
    """

    row: Row
    path: Path
    sha256: str
    identity: tuple[int, ...]

    def check_unchanged(self) -> None:
        """Make sure that the path still names the file that was read.

        Raises:
            SourceError: If not: what FFmpeg made of it is of unknown bytes.
        """
        try:
            now = _identity(self.path.stat())
        except OSError:
            now = ()
        if now != self.identity:
            raise SourceError(
                f"{_name(self.row)} was changed or replaced while it was read. Restore it and run the same "
                "build again. Finished shards are kept."
            )

    def read_again(self) -> bytes:
        """Return its bytes.

        Raises:
            SourceError: If they are not those that were read before.
        """
        with open_regular(self.path) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise SourceError(
                f"{_name(self.row)} has other bytes than a moment ago. Run the same build again."
            )
        return data


def read_source(row: Row, scratch_dir: Path, index_dir: Path, *, images: bool = False) -> Source:
    """Return a source as a local file, after a check that it is the planned one; remote ones are fetched.

    Args:
        row: Row of the plan.
        scratch_dir: Folder for the copy of a source that is remote or in an archive.
        index_dir: Where the indexes of archives lie.
        images: Whether it is a folder of numbered JPEGs; the local file then holds them concatenated.

    Raises:
        VideoRejected: If a folder of images is no video.
        SourceError: If it is gone, has another size, or is no regular file any more.
    """
    path: Path = Path(row["source_dir"]) / row["source"]
    try:
        if MARK in row["source"]:
            reader = archive_reader(index_dir)
            path = reader.extract(row["source_dir"], row["source"], scratch_dir / "source")
        elif "://" in row["source_dir"]:
            path = _fetch(f"{row['source_dir'].rstrip('/')}/{row['source']}", scratch_dir / "source")
        if images:
            path = pack_images(path, scratch_dir / "source.mjpeg")
        with open_regular(path) as file:
            info = os.fstat(file.fileno())
            _check_size(row, info.st_size)
            sha256 = _hash_of(file, _identity(info), is_part=bool(row.get("segment")))
    except OSError as error:
        if is_disk_full(error):
            raise
        why = error.strerror or type(error).__name__
        raise SourceError(
            f"{_name(row)} was there when the build was planned and cannot be read now: {why}. Bring it back "
            "and run the same build again."
        ) from error
    return Source(row, path, sha256, _identity(info))


def _hash_of(file: BufferedReader, identity: tuple[int, ...], *, is_part: bool) -> str:
    """Hash a file; a worker hashes one that holds several samples only once, while it stays the same."""
    known = _HASHES.get(identity) if is_part else None
    sha256 = known or hashlib.file_digest(file, "sha256").hexdigest()
    if is_part:
        _HASHES[identity] = sha256
    return sha256


def segment_of(row: Row) -> Segment | None:
    """Return the part of the source that a row of the plan stands for; None: all of it."""
    return Segment.model_validate_json(row["segment"]) if row.get("segment") else None


def check_checksum(source: Source) -> None:
    """Compare a source with the list of checksums that the build was given, if it names the file.

    Raises:
        VideoRejected: As `wrong_checksum`, with both sums.
    """
    algorithm, _, expected = (source.row.get("checksum") or "").partition(":")
    if not algorithm:
        return
    found = source.sha256
    if algorithm != "sha256":
        with open_regular(source.path) as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected:
        raise VideoRejected("wrong_checksum", f"{algorithm} is {found}, the list says {expected}")


def _check_size(row: Row, size_bytes: int) -> None:
    if row["source_bytes"] not in (size_bytes, -1):  # -1: the remote store did not tell
        raise SourceError(
            f"{_name(row)} has {size_bytes:,} bytes, {row['source_bytes']:,} when the build was planned. "
            "Restore it, or build into a new folder."
        )


def _fetch(url: str, path: Path) -> Path:
    with store_errors(), fsspec.open(url) as remote, path.open("wb") as local:
        shutil.copyfileobj(remote, local, _CHUNK_BYTES)
    return path


def _identity(info: os.stat_result) -> tuple[int, ...]:
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)


def _name(row: Row) -> str:
    return f"{row['key']}: {row['source_dir']}/{row['source']}"
