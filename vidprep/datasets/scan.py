"""Scan source folders, in one pass each: which video files are there, and how large they are."""

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from vidprep.datasets.archives.listing import ArchiveOptions, Listing, list_archives
from vidprep.datasets.archives.parts import MARK, may_be_archive
from vidprep.errors import SourceError
from vidprep.files import store_errors

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

IMAGE_SUFFIXES = (".jpg", ".jpeg")
_APPLE_PREFIX = "._"
_APPLE_FAULT = "a macOS '._' file, which holds no video"
_REMOTE_REMEDY = "Check the address, the access, and that fsspec has its driver (s3fs for s3://)."

# Folder below the source, file name, size in bytes (None: not asked for), and why the file cannot be used.
_Found = tuple[str, str, int | None, str]


@dataclass(frozen=True)
class Scan:
    """What the source folders hold.

    Attributes:
        files: A row per video file, sorted by source folder and path: source_dir (as given), source_rank
            (0 is the first folder given), source (path below it), folder (of that path), video_id (its
            name without suffix), source_bytes (-1 if a remote store does not tell), fault (why it cannot
            be used, else "").
        others: Number of other files by suffix.
        problems: What is wrong with archives as a whole.
    """

    files: pd.DataFrame
    others: dict[str, int]
    problems: tuple[str, ...] = ()


def scan_sources(
    sources: list[str],
    suffixes: tuple[str, ...],
    *,
    remedy: str,
    archives: ArchiveOptions | None = None,
    id_is: Literal["name", "path"] = "name",
    image_folders: bool = False,
) -> Scan:
    """List the video files of some folders, at any depth; hidden folders are left out.

    Videos in archives (tar, tar.gz, zip, numbered parts) are listed as `ARCHIVE!/PATH`.

    Args:
        sources: Local folders, or URLs that fsspec knows (`s3://bucket/k400`).
        suffixes: Suffixes of video files, in small letters.
        remedy: What to do about a missing folder: the last sentence of the error.
        archives: How archives are listed; None: with an index in the user's cache folder.
        id_is: The id of a file: its "name" without the suffix, or its "path" below the source folder.
        image_folders: Whether each folder of JPEGs is a video, instead of files with those suffixes.

    Raises:
        SourceError: If a folder or an archive is missing or cannot be read.
    """
    check_sources(sources, remedy=remedy)
    rows, others, problems = [], Counter[str](), list[str]()
    for rank, source in enumerate(sources):
        walk = _walk_remote if "://" in source else _walk_local
        found = _with_archives(
            walk(source, IMAGE_SUFFIXES if image_folders else suffixes),
            source,
            suffixes,
            archives or ArchiveOptions(),
            problems,
        )
        for folder, name, size, fault in _whole_folders(found) if image_folders else found:
            if size is None:
                others[PurePosixPath(name).suffix.lower() or "suffixless"] += 1
            else:
                path, folder, name, fault = _named(folder, name, fault)
                stem = name if image_folders else name.rpartition(".")[0]
                rows.append((source, rank, path, folder, path if id_is == "path" else stem, size, fault))
    columns = ["source_dir", "source_rank", "source", "folder", "video_id", "source_bytes", "fault"]
    files = pd.DataFrame(rows, columns=columns)
    files = files.astype({name: "int64" if name.endswith(("_rank", "_bytes")) else "str" for name in columns})
    files = files.sort_values(["source_rank", "source"], ignore_index=True)
    return Scan(files, dict(others), tuple(problems))


def check_sources(sources: list[str], *, remedy: str) -> None:
    """Check that the local source folders exist.

    Raises:
        SourceError: If one is not.
    """
    for source in sources:
        if "://" not in source and not Path(source).is_dir():
            what = "is no folder" if Path(source).exists() else "does not exist"
            raise SourceError(f"The source folder {source} {what}. {remedy}")


def _with_archives(
    walk: Iterator[_Found],
    source: str,
    suffixes: tuple[str, ...],
    options: ArchiveOptions,
    problems: list[str],
) -> Iterator[_Found]:
    """Pass on what a walk finds, and what the archives among it hold instead of the archives themselves."""
    names: dict[str, list[str]] = defaultdict(list)
    for folder, name, size, fault in walk:
        if size is None and may_be_archive(name):
            names[folder].append(name)
        else:
            yield folder, name, size, fault
    for folder, candidates in sorted(names.items()):
        others = set(candidates)
        for listing in list_archives(source, folder, candidates, options):
            if isinstance(listing, str):
                problems.append(listing)
                continue
            problems += listing.problems
            others -= {PurePosixPath(part).name for part in listing.archive.parts}
            yield from _members(listing, suffixes)
        yield from ((folder, name, None, "") for name in sorted(others))


def _members(listing: Listing, suffixes: tuple[str, ...]) -> Iterator[_Found]:
    for member in listing.members:
        path = f"{listing.archive.name}{MARK}{member.name}"
        folder, _, name = path.rpartition("/")
        is_video = _is_video(name, suffixes)
        yield folder, name, member.size_bytes if is_video else None, member.fault


def _named(folder: str, name: str, fault: str) -> tuple[str, str, str, str]:
    """Return path, folder and name of a file as Unicode, and why it cannot be used."""
    path = f"{folder}/{name}" if folder else name
    if not path.isascii():
        # Linux names may be any bytes; tables and manifests hold Unicode only.
        text = os.fsencode(path).decode("utf-8", errors="replace")
        fault = fault or ("" if text == path else "a file whose path is no valid UTF-8")
        path = text
    folder, _, name = path.rpartition("/")
    if name.startswith(_APPLE_PREFIX):
        name, fault = name.removeprefix(_APPLE_PREFIX), _APPLE_FAULT
    return path, folder, name, fault


def _whole_folders(found: Iterator[_Found]) -> Iterator[_Found]:
    """Make one video of the images of each folder; its bytes are theirs."""
    sizes, faults = Counter[str](), dict[str, str]()
    for folder, name, size, fault in found:
        if size is None or not folder or name.startswith(_APPLE_PREFIX):
            yield folder, name, None, ""
            continue
        sizes[folder] += size
        faults[folder] = faults.get(folder) or fault
    for folder, size in sizes.items():
        above, _, name = folder.rpartition("/")
        yield above, name, size, faults[folder]


def _is_video(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes) and (not name.startswith(".") or name.startswith(_APPLE_PREFIX))


def _walk_local(source: str, suffixes: tuple[str, ...]) -> Iterator[_Found]:
    pending, linked = [""], {Path(source).resolve()}
    while pending:
        folder = pending.pop()
        for entry in _entries(Path(source, folder)):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if _is_folder(entry):
                if not entry.name.startswith(".") and _is_new(entry, linked):
                    pending.append(path)
            elif _is_video(entry.name, suffixes):
                yield folder, entry.name, *_size(entry)
            else:
                yield folder, entry.name, None, ""


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"The folder {folder} cannot be read: {error.strerror}.") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say: `_size` tells what is wrong with it
        return False


def _is_new(entry: os.DirEntry[str], linked: set[Path]) -> bool:
    """Enter the target of a link once, so that a link to a folder above it ends."""
    if not entry.is_symlink():
        return True
    target = Path(entry.path).resolve()
    if target in linked:
        return False
    linked.add(target)
    return True


def _size(entry: os.DirEntry[str]) -> tuple[int, str]:
    try:
        info = entry.stat()
    except OSError as error:  # a link to nothing, a failing disk: costs this video alone
        return 0, f"a file that cannot be reached ({error.strerror})"
    return (info.st_size, "") if stat.S_ISREG(info.st_mode) else (0, "something that is no regular file")


def _walk_remote(source: str, suffixes: tuple[str, ...]) -> Iterator[_Found]:
    from fsspec.core import url_to_fs  # here, since most sources are local

    try:
        with store_errors():
            filesystem, root = url_to_fs(source)
            filesystem.invalidate_cache()  # of what this process saw there before
            found = _find(filesystem, root)
    except OSError as error:
        raise SourceError(f"The source {source} cannot be listed: {error}. {_REMOTE_REMEDY}") from error
    if not found:
        raise SourceError(f"There is nothing under {source}. {_REMOTE_REMEDY}")
    for path, info in found.items():
        folder, _, name = path[len(root.rstrip("/")) :].strip("/").rpartition("/")
        if any(part.startswith(".") for part in folder.split("/")):
            continue
        size = info.get("size")
        yield folder, name, (-1 if size is None else size) if _is_video(name, suffixes) else None, ""


def _find(filesystem: "AbstractFileSystem", root: str) -> dict[str, dict[str, Any]]:
    found = filesystem.find(root, detail=True)
    return {path: info for path, info in found.items() if info.get("type") != "directory"}
