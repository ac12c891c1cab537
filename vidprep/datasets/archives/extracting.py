"""One member of an archive as a file, wherever in the archive it lies."""

import atexit
import shutil
import threading
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import rapidgzip

from vidprep.datasets.archives.listing import DAMAGED, Member, read_listing
from vidprep.datasets.archives.parts import MARK
from vidprep.errors import SourceError, VideoRejected

_PIECE_BYTES = 2**20


@lru_cache(maxsize=1)
def archive_reader(index_dir: Path) -> "ArchiveReader":
    """Return this process's reader, which keeps an archive open: opening one takes longer than a copy."""
    return ArchiveReader(index_dir)


class ArchiveReader:
    """Copies members out of archives and keeps the last one open; may be used by several threads.

    Args:
        index_dir: Where the archives' indexes lie; see `list_archive`.
    """

    def __init__(self, index_dir: Path) -> None:
        self._index_dir = index_dir
        self._lock = threading.Lock()
        self._opened: _OpenArchive | None = None
        atexit.register(self.close)  # rapidgzip's threads must have ended before the interpreter does

    def extract(self, source_dir: str, source: str, path: Path) -> Path:
        """Write a member to a file.

        Args:
            source_dir: Source folder or URL.
            source: Path of the archive below it, `!/`, and the member's path inside.
            path: Path of the file.

        Raises:
            VideoRejected: If the archive is damaged where the member lies.
            SourceError: If the archive has changed since it was listed.
            OSError: If the archive cannot be read.
        """
        archive_name, _, name = source.partition(MARK)
        with self._lock:
            if self._opened is None or self._opened.place != (source_dir, archive_name):
                self.close()
                self._opened = _OpenArchive(source_dir, archive_name, self._index_dir)
            try:
                self._opened.copy(name, path)
            except DAMAGED as error:
                raise VideoRejected(
                    "unreadable", f"its archive is damaged there: {_first_line(error)}"
                ) from error
        return path

    def close(self) -> None:
        """Close what is open."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class _OpenArchive:
    """An archive from which members are copied."""

    def __init__(self, source_dir: str, name: str, index_dir: Path) -> None:
        listing = read_listing(source_dir, name, index_dir)
        if listing is None:
            raise SourceError(
                f"{source_dir}/{name} is not the archive that was there when the build was planned. "
                "Restore it, or build into a new folder."
            )
        self.place = (source_dir, name)
        self._listing = listing
        self._members = {member.name: member for member in listing.members}
        self._file = listing.archive.open()
        self._stream = self._open_stream()

    def copy(self, name: str, path: Path) -> None:
        """Write a member to a file; raises one of `DAMAGED` where that is not possible."""
        member = self._members[name]
        try:
            self._copy(member, path)
        except DAMAGED:
            if self._listing.kind != "tar.gz":
                raise
            # Near the end of a cut archive its index may be wrong: go there from the beginning.
            self._stream.close()
            self._file.seek(0)
            self._stream = rapidgzip.open(self._file, parallelization=1)
            self._copy(member, path)

    def close(self) -> None:
        """Close the archive."""
        self._stream.close()
        self._file.close()

    def _open_stream(self) -> Any:
        if self._listing.kind == "zip":
            return zipfile.ZipFile(self._file)
        if self._listing.kind == "tar":
            return self._file
        stream = rapidgzip.open(self._file, parallelization=1)
        if self._listing.gzip_index.stat().st_size:
            stream.import_index(str(self._listing.gzip_index))
        return stream

    def _copy(self, member: Member, path: Path) -> None:
        with path.open("wb") as file:
            if self._listing.kind == "zip":
                with self._stream.open(member.name) as stream:
                    shutil.copyfileobj(stream, file, _PIECE_BYTES)
                return
            self._stream.seek(member.offset)
            left = member.size_bytes
            while left and (piece := self._stream.read(min(left, _PIECE_BYTES))):
                file.write(piece)
                left -= len(piece)
        if left:
            raise EOFError(f"{left:,} of {member.size_bytes:,} bytes are missing")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
