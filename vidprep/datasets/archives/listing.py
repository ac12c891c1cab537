"""List what an archive holds: one pass over it, kept on disk, so that a second call takes milliseconds.

    NAME.json      identity of the archive (size and time of each part), kind, members, what is wrong with it
    NAME.gzindex   of a tar.gz: places in the stream from which reading can begin (rapidgzip's index);
                   empty if it is damaged so that it can only be read from its beginning

NAME is a hash of the archive's path. Both files are written whole or not at all, so that processes may list
one archive at the same time; an archive that has changed is listed anew.
"""

import hashlib
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from vidprep.datasets.archives.parts import Archive, Kind, find_archives
from vidprep.errors import SourceError
from vidprep.files import replace_durably, write_whole
from vidprep.machine import num_cores

_PIECE_BYTES = 4 * 2**20
# What readers of archives raise if the bytes are damaged.
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError)


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        name: Its path inside.
        offset: Where its first byte is in the unpacked tar; 0 in a zip.
        size_bytes: Size of the file itself.
        fault: Why it cannot be used, else "".
    """

    name: str
    offset: int
    size_bytes: int
    fault: str = ""


@dataclass(frozen=True)
class Listing:
    """An archive and what it holds.

    Attributes:
        archive: Where it lies.
        kind: "tar", "tar.gz" or "zip".
        members: Its regular files, in the archive's order.
        faults: What is wrong with the archive as a whole; videos without a fault of their own can be used.
        gzip_index: Where in a tar.gz reading can begin.
    """

    archive: Archive
    kind: Kind
    members: tuple[Member, ...]
    faults: tuple[str, ...]
    gzip_index: Path

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, with the archive's path."""
        return tuple(f"{self.archive.source_dir}/{self.archive.name}: {fault}" for fault in self.faults)


def default_index_dir() -> Path:
    """Return where indexes are kept when no build keeps them: $XDG_CACHE_HOME/vidprep/archives."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vidprep" / "archives"


@dataclass(frozen=True)
class ArchiveOptions:
    """How archives are listed.

    Attributes:
        index_dir: Where indexes are kept; made if need be.
        on_new: Called with the name of each archive that is listed for the first time, before it is read.
    """

    index_dir: Path = field(default_factory=default_index_dir)
    on_new: Callable[[str], None] = lambda name: None


def list_archives(
    source_dir: str, folder: str, names: Sequence[str], options: ArchiveOptions
) -> Iterator[Listing | str]:
    """List the archives among the files of one folder.

    Args:
        source_dir: The source folder or its URL.
        folder: Path of the folder below it; "": the source folder itself.
        names: Names of the folder's files.
        options: Where indexes are kept, and what to call for a new archive.

    Yields:
        The listing of each archive; for numbered parts without the first one, a sentence that says so.

    Raises:
        SourceError: If an archive cannot be read at all.
    """
    for archive in find_archives(source_dir, folder, names):
        listing = list_archive(archive, options)
        if listing is not None:
            yield listing
        elif archive.fault:
            yield f"{source_dir}/{archive.name}: {archive.fault}"


def list_archive(archive: Archive, options: ArchiveOptions) -> Listing | None:
    """Return what an archive holds, from its index or by a pass over it; None if it is no archive.

    A pass over 10 GB takes about a minute.

    Raises:
        SourceError: If the archive cannot be read at all.
    """
    index_dir = options.index_dir
    try:
        kept = read_listing(archive.source_dir, archive.name, index_dir)
        if kept is not None and kept.archive == archive:
            return kept
        kind = archive.kind()
        if kind is None:
            return None
        options.on_new(archive.name)
        return _list_anew(archive, kind, index_dir)
    except OSError as error:
        why = error.strerror or str(error)
        raise SourceError(
            f"{archive.source_dir}/{archive.name} cannot be read: {why}. Fetch the archive again, or take it "
            "out."
        ) from error


def read_listing(source_dir: str, name: str, index_dir: Path) -> Listing | None:
    """Return the kept listing of an archive; None if there is none, or the archive has changed since."""
    listing_path, gzip_index = index_paths(source_dir, name, index_dir)
    try:
        facts = json.loads(listing_path.read_bytes())
        parts = tuple(str(part) for part, _, _ in facts["identity"])
        archive = Archive(source_dir, name, parts, str(facts["fault"]))
        if facts["identity"] != archive.identity():
            return None
        members = tuple(Member(*row) for row in facts["members"])
        listing = Listing(archive, facts["kind"], members, tuple(facts["faults"]), gzip_index)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # a damaged index costs a pass over the archive and nothing else
    return listing if listing.kind != "tar.gz" or listing.gzip_index.is_file() else None


def index_paths(source_dir: str, name: str, index_dir: Path) -> tuple[Path, Path]:
    """Return where the listing of an archive and its gzip index lie."""
    stem = hashlib.sha256(f"{source_dir}\n{name}".encode()).hexdigest()[:24]
    return index_dir / f"{stem}.json", index_dir / f"{stem}.gzindex"


def _list_anew(archive: Archive, kind: Kind, index_dir: Path) -> Listing:
    identity = archive.identity()
    index_dir.mkdir(parents=True, exist_ok=True)
    listing_path, gzip_index = index_paths(archive.source_dir, archive.name, index_dir)
    with archive.open() as file:
        found, faults = _LISTERS[kind](file, gzip_index)
    members = tuple({one.name: one for one in found}.values())  # of two with one name, the later counts
    all_faults = tuple(fault for fault in (archive.fault, *faults) if fault)
    listing = Listing(archive, kind, members, all_faults, gzip_index)
    facts = {
        "identity": identity,
        "fault": archive.fault,
        "kind": kind,
        "members": [[one.name, one.offset, one.size_bytes, one.fault] for one in members],
        "faults": listing.faults,
    }
    write_whole(listing_path, json.dumps(facts).encode())
    return listing


def _list_tar(file: BinaryIO, _: Path) -> tuple[tuple[Member, ...], list[str]]:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    members, fault = _members(file, "r:")
    return _without_cut(members, size, fault)


def _list_gzip(file: BinaryIO, index_path: Path) -> tuple[tuple[Member, ...], list[str]]:
    with _open_gzip(file) as stream:
        members, fault = _members(stream, "r|")
        size, end_fault = _drain(stream) if not fault else (stream.tell(), "")
        _export(stream, index_path)
    fault = fault or end_fault
    if "Mismatching" in fault:
        # Checksum and size cover all of the stream: which videos are hurt cannot be told, so all are listed.
        file.seek(0)
        with _open_gzip(file) as stream:
            members, _ = _members(stream, "r:")
            size, _ = _drain(stream)
            _export(stream, index_path)
        return tuple(members), [f"its checksum is wrong, so that some of its videos may be damaged ({fault})"]
    return _without_cut(members, size, fault)


def _open_gzip(file: BinaryIO) -> Any:
    import rapidgzip  # here, since most sources hold no archive

    return rapidgzip.open(file, parallelization=num_cores())


def _list_zip(file: BinaryIO, _: Path) -> tuple[tuple[Member, ...], list[str]]:
    try:
        with zipfile.ZipFile(file) as opened:
            files = [entry for entry in opened.infolist() if not entry.is_dir()]
    except DAMAGED as error:
        return (), [f"it is cut off or damaged: {error}. None of its videos can be read"]
    return tuple(
        Member(entry.filename, 0, entry.file_size, "encrypted in its archive" if entry.flag_bits & 1 else "")
        for entry in files
    ), []


_LISTERS: dict[Kind, Callable[[BinaryIO, Path], tuple[tuple[Member, ...], list[str]]]] = {
    "tar": _list_tar,
    "tar.gz": _list_gzip,
    "zip": _list_zip,
}


def _members(file: BinaryIO, mode: Literal["r:", "r|"]) -> tuple[list[Member], str]:
    """Return the members up to the end or the first damage, and what the damage is."""
    members: list[Member] = []
    try:
        with tarfile.open(fileobj=file, mode=mode) as tar:
            members += (
                Member(one.name.removeprefix("./"), one.offset_data, one.size) for one in _entries(tar)
            )
    except DAMAGED as error:
        return members, str(error) or type(error).__name__
    return members, ""


def _entries(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (entry := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # else it keeps every entry that it has seen
        if entry.isreg():
            yield entry


def _without_cut(members: list[Member], size: int, fault: str) -> tuple[tuple[Member, ...], list[str]]:
    """Mark the member that the archive ends in, and say that it does."""
    cut = [one.offset + one.size_bytes > size for one in members]
    marked = tuple(
        Member(one.name, one.offset, one.size_bytes, "its archive ends before it does") if is_cut else one
        for one, is_cut in zip(members, cut, strict=True)
    )
    if not fault and not any(cut):
        return marked, []
    num_good = len(members) - sum(cut)
    return marked, [f"it is cut off or damaged after {num_good:,} files ({fault or 'too short'})"]


def _drain(stream: Any) -> tuple[int, str]:
    """Read to the end, where the checksum stands; return how far that is, and what is wrong."""
    try:
        while stream.read(_PIECE_BYTES):
            pass
    except DAMAGED as error:
        return stream.tell(), str(error)
    return stream.tell(), ""


def _export(stream: Any, index_path: Path) -> None:
    partial_path = index_path.with_suffix(f".{os.getpid()}.partial")
    try:
        try:
            stream.export_index(str(partial_path))
        except DAMAGED:  # of a damaged archive there may be none: an empty file says so
            partial_path.write_bytes(b"")
        replace_durably(partial_path, index_path)
    finally:
        partial_path.unlink(missing_ok=True)
