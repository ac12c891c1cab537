"""The columns of a large index as files on this machine, which all its processes map into memory.

Ten million rows take 0.5 GB. Mapped, they are in memory once for a node, not once for each rank. The files
lie in a folder of the user below the temporary one (`TMPDIR`), named after the sha256 of the index that they
were made from. The first process makes them, they appear in one rename, and their crc32 is checked whenever
they are opened. If they cannot be written, each process keeps the columns in its own memory.
"""

import json
import logging
import os
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock

from vidprep.shards.columns.columns import Array, Columns

_log = logging.getLogger(__name__)

# Written last. Copies with another layout have another name.
_FACTS = "columns.json"
_LAYOUT = 2
# These are never negative, and read row by row: they are stored in as few bytes as the greatest number needs.
_NARROWED = {"split", "shard", "key_ends", "num_frames", "width", "height"}
_NARROWED |= {"mp4_offset", "mp4_size", "mp4_crc32"}
_KEPT_DAYS = 14
_BLOCK = 1 << 22


def find_copy(sha256: str) -> Columns | None:
    """Return the columns of an index from this machine's copy; None if there is none, or it is damaged."""
    try:
        return _open(_copies_dir() / _name(sha256))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.info("A copy of an index is made anew: %s.", error)
        return None


def shared_columns(sha256: str, parts: Iterable[Columns]) -> Columns | None:
    """Return the columns of an index as mapped files; if several processes ask, one makes the files.

    Args:
        sha256: sha256 of the index.
        parts: Its rows, in order; read only if there is no copy yet.

    Returns:
        The columns; None if the files cannot be written. Some of `parts` may have been consumed then.
    """
    try:
        folder = _copies_dir(make=True)
        with FileLock(folder / f"{_name(sha256)}.lock"):
            if (found := find_copy(sha256)) is not None:
                return found
            _drop_old(folder)
            return _make(folder / _name(sha256), parts)
    except OSError as error:
        _log.warning(
            "The columns of a large index cannot be shared by the processes of this machine (%s): each keeps "
            "its own in memory. Point TMPDIR at a local folder with room for 100 bytes a sample.",
            error,
        )
        return None


def _name(sha256: str) -> str:
    return f"{sha256}-{_LAYOUT}"


def _copies_dir(*, make: bool = False) -> Path:
    """Return the folder of the copies, which only this user can write to.

    Raises:
        FileNotFoundError: If there is none and it is not to be made.
        PermissionError: If others could have written into it.
    """
    path = Path(tempfile.gettempdir(), f"vidprep-{os.getuid()}")
    if make:
        path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{path} is not a folder that only this user writes to")
    return path


def _make(folder: Path, parts: Iterable[Columns]) -> Columns:
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="making-"))
    try:
        facts = _write(scratch, parts)
        (scratch / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # one that was not whole
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _map(folder, facts)


def _write(folder: Path, parts: Iterable[Columns]) -> dict[str, Any]:
    """Write the columns one part after another; return their types, sizes and checksums, and the names."""
    types: dict[str, str] = {}
    sums: dict[str, int] = {}
    highest: dict[str, int] = {}
    codes: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        files: dict[str, IO[bytes]] = {}
        for part in _numbered(parts, codes):
            for name, array in {**part.arrays, "key_text": part.key_text}.items():
                if name not in files:
                    files[name] = stack.enter_context((folder / name).open("wb"))
                    types[name] = array.dtype.str
                sums[name] = _append(files[name], array, sums.get(name, 0))
                if name in _NARROWED:
                    highest[name] = max(highest.get(name, 0), int(array.max(initial=0)))
    for name, high in highest.items():
        narrow = np.min_scalar_type(high)
        sums[name] = _rewrite(folder / name, np.dtype(types[name]), narrow)
        types[name] = narrow.str
    return {
        "types": dict(types),
        "sizes": {name: (folder / name).stat().st_size for name in types},
        "crc32": dict(sums),
        "names": {column: list(numbers) for column, numbers in codes.items()},
    }


def _rewrite(path: Path, wide: np.dtype[Any], narrow: np.dtype[Any]) -> int:
    """Write a column's numbers in fewer bytes; return the checksum of the file."""
    found, scratch = 0, path.with_suffix(".narrow")
    with path.open("rb") as source, scratch.open("wb") as file:
        while len(numbers := np.fromfile(source, wide, _BLOCK // wide.itemsize)):
            found = _append(file, numbers.astype(narrow), found)
    scratch.replace(path)
    return found


def _append(file: IO[bytes], array: Array, crc32: int) -> int:
    """Write an array at the end of a file; return the file's checksum, which was `crc32` before."""
    data = np.ascontiguousarray(array).view(np.uint8).data
    file.write(data)
    return zlib.crc32(data, crc32)


def _numbered(parts: Iterable[Columns], codes: dict[str, dict[str, int]]) -> Iterator[Columns]:
    """Yield the parts with numbers of names and ends of keys that count through all of them."""
    before = 0  # bytes of keys
    for number, part in enumerate(parts):
        arrays = dict(part.arrays)
        for column, names in part.names.items():
            known = codes.setdefault(column, {})
            numbers = np.array([known.setdefault(name, len(known)) for name in names], np.int32)
            arrays[column] = numbers[part.arrays[column]]
        ends = part.arrays["key_ends"].astype(np.int64)
        text = part.key_text[ends[0] : ends[-1]]
        arrays["key_ends"] = ends[min(number, 1) :] + (before - ends[0])
        before += len(text)
        yield Columns(arrays, text, part.names)


def _open(folder: Path) -> Columns:
    """Map a copy after a check of all its bytes."""
    facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    for name, expected in facts["crc32"].items():
        if (folder / name).stat().st_size != facts["sizes"][name] or _crc32(folder / name) != expected:
            raise ValueError(f"{folder / name} is damaged")
    os.utime(folder / _FACTS)
    return _map(folder, facts)


def _crc32(path: Path) -> int:
    found, block = 0, bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            found = zlib.crc32(memoryview(block)[:size], found)
    return found


def _map(folder: Path, facts: dict[str, Any]) -> Columns:
    arrays: dict[str, Array] = {
        name: np.memmap(folder / name, dtype, mode="r") for name, dtype in facts["types"].items()
    }
    # As plain arrays: a memmap costs microseconds more at each access.
    plain = {name: array.view(np.ndarray) for name, array in arrays.items()}
    text = plain.pop("key_text")
    return Columns(plain, text, {column: tuple(names) for column, names in facts["names"].items()})


def _drop_old(folder: Path) -> None:
    """Remove copies that were not opened for two weeks; a process that has one mapped keeps it."""
    for copy in (path for path in folder.iterdir() if path.is_dir()):
        opened = (copy / _FACTS if (copy / _FACTS).exists() else copy).stat().st_mtime
        if time.time() - opened > _KEPT_DAYS * 86400:
            shutil.rmtree(copy, ignore_errors=True)
