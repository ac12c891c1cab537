"""Which files of a folder are archives, and how the parts of one are read as a whole.

Something-Something v2 is published as one tar.gz that was cut into numbered parts
(`20bn-something-something-v2-00`, `-01`, ...), Kinetics' copy at CVDF as many small archives.
"""

import io
import posixpath
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from vidprep.files import store_errors

# Between the path of an archive and that of a member: `train/part_0.tar.gz!/abc_000001_000011.mp4`.
MARK = "!/"
SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
_PART = re.compile(r"([\w-]*\D)(\d{2})")
_HEAD_BYTES = 512
# Names that stores have for a file's tag or time: S3, HTTP, Google's, Azure, SFTP, memory.
_VERSIONS = ("ETag", "LastModified", "etag", "updated", "last_modified", "mtime", "created")

Kind = Literal["tar", "tar.gz", "zip"]


@dataclass(frozen=True)
class Archive:
    """An archive below a source folder.

    Attributes:
        source_dir: The source folder, or its URL.
        name: Path of its first file below that; the name of the archive in sources and messages.
        parts: Paths of all its files, in order.
        fault: What is wrong with the parts, e.g. "its part ...-03 is missing"; "" if nothing is.
    """

    source_dir: str
    name: str
    parts: tuple[str, ...]
    fault: str = ""

    def identity(self) -> list[list[Any]]:
        """Return what changes with its bytes: name, size, and time or tag of each part."""
        return [[part, *_size_and_version(self.source_dir, part)] for part in self.parts]

    def open(self) -> BinaryIO:
        """Open all parts as one file that can seek."""
        files = [_open(self.source_dir, part) for part in self.parts]
        return files[0] if len(files) == 1 else _Joined(files)

    def kind(self) -> Kind | None:
        """Tell what kind of archive it is, by its first bytes; None for something else."""
        with _open(self.source_dir, self.parts[0]) as file:
            head = file.read(_HEAD_BYTES)
        if head[:2] == b"\x1f\x8b":
            return "tar.gz"
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return "zip"
        return "tar" if head[257:262] == b"ustar" else None


def may_be_archive(name: str) -> bool:
    """Tell by a file's name whether it is an archive or a numbered part of one."""
    return name.lower().endswith(SUFFIXES) or _PART.fullmatch(name) is not None


def find_archives(source_dir: str, folder: str, names: Sequence[str]) -> list[Archive]:
    """Return the archives among the files of one folder, by their names.

    Args:
        source_dir: The source folder, or its URL.
        folder: Path of the folder below the source folder; "": the source folder itself.
        names: Names of its files.
    """
    found = [
        Archive(source_dir, path, (path,))
        for name in names
        if name.lower().endswith(SUFFIXES)
        for path in [posixpath.join(folder, name)]
    ]
    numbered: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if match := _PART.fullmatch(name):
            numbered[match[1]].append(match[2])
    for stem, numbers in numbered.items():
        if len(numbers) > 1 or numbers == ["00"]:
            found.append(_numbered(source_dir, posixpath.join(folder, stem), sorted(numbers)))
    return sorted(found, key=lambda archive: archive.name)


def _numbered(source_dir: str, stem: str, numbers: list[str]) -> Archive:
    """Return the archive of numbered parts, up to the first gap: the parts after one cannot be read."""
    expected = [f"{number:02d}" for number in range(len(numbers))]
    whole = [number for number, wanted in zip(numbers, expected, strict=True) if number == wanted]
    gap = "" if whole == numbers else f"its part {stem}{len(whole):02d} is missing"
    usable = whole or numbers[:1]
    return Archive(source_dir, stem + usable[0], tuple(stem + number for number in usable), gap)


def _open(source_dir: str, path: str) -> BinaryIO:
    if "://" in source_dir:
        import fsspec  # here, since most sources are local

        with store_errors():
            return _StoreFile(fsspec.open(f"{source_dir.rstrip('/')}/{path}", "rb").open())
    return Path(source_dir, path).open("rb")


def _size_and_version(source_dir: str, path: str) -> tuple[int, str]:
    if "://" not in source_dir:
        info = Path(source_dir, path).stat()
        return info.st_size, str(info.st_mtime_ns)
    from fsspec.core import url_to_fs

    with store_errors():
        filesystem, inner = url_to_fs(f"{source_dir.rstrip('/')}/{path}")
        facts = filesystem.info(inner)
    return int(facts["size"]), str(next((facts[name] for name in _VERSIONS if facts.get(name)), ""))


class _Seekable(io.RawIOBase, BinaryIO):
    """A binary file that can be read and can seek."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True


class _StoreFile(_Seekable):
    """A file in a store; its errors become OSErrors, as others would be taken for damage of the archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        """Read up to the buffer's size."""
        with store_errors():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Joined(_Seekable):
    """Several files, concatenated, as one."""

    def __init__(self, files: list[BinaryIO]) -> None:
        self._files = files
        sizes = [file.seek(0, io.SEEK_END) for file in files]
        self._starts = [sum(sizes[:number]) for number in range(len(sizes))]
        self._size = sum(sizes)
        self._position = 0

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read what the file at the position has, up to the buffer's size."""
        number = max(i for i, start in enumerate(self._starts) if start <= self._position)
        file = self._files[number]
        file.seek(self._position - self._starts[number])
        data = file.read(len(buffer))
        if not data and number + 1 < len(self._files):  # an empty part, or exactly at the end of one
            self._position = self._starts[number + 1]
            return self.readinto(buffer)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        super().close()
