"""Raw videos compared with lists of checksums, without a build."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import fsspec

from vidprep.datasets.archives.extracting import archive_reader
from vidprep.datasets.archives.listing import ArchiveOptions
from vidprep.datasets.archives.parts import MARK
from vidprep.datasets.checksums.lists import Unlisted, read_checksums, with_checksums
from vidprep.datasets.inventory import Inventory
from vidprep.errors import VidprepError
from vidprep.files import open_regular, store_errors
from vidprep.machine import num_cores

_CHUNK_BYTES = 2**20
# Called with the number of files that are done and their total.
OnFile = Callable[[int, int], object]


@dataclass(frozen=True)
class Mismatch:
    """A file whose checksum is not the one in a list.

    Attributes:
        source: Its folder and path.
        expected: "sha256:HEX" or "md5:HEX", by the list.
        found: The checksum of the file in the same form; "" if it cannot be read.
        problem: Why it cannot be read; "" if it can.
    """

    source: str
    expected: str
    found: str
    problem: str = ""

    def __str__(self) -> str:
        """Describe the mismatch in one line."""
        algorithm, _, expected = self.expected.partition(":")
        if self.problem:
            return f"{self.source}: cannot be read: {self.problem}"
        return f"{self.source}: {algorithm} is {self.found.partition(':')[2]}, the list says {expected}"


@dataclass(frozen=True)
class ChecksumCheck:
    """The result of a comparison.

    Attributes:
        num_checked: Files that were read, or could not be.
        mismatches: Videos that differ, in the order of the annotation.
        unlisted: Videos that are present and that no list names.
    """

    num_checked: int
    mismatches: tuple[Mismatch, ...]
    unlisted: Unlisted


def check_checksums(
    inventory: Inventory,
    lists: Sequence[Path | str],
    *,
    archives: ArchiveOptions,
    on_file: OnFile = lambda done, total: None,
) -> ChecksumCheck:
    """Read every present video that a list of checksums names, and compare.

    Args:
        inventory: Which videos are present, and where.
        lists: As sha256sum and md5sum write them.
        archives: The options with which archives among the sources were listed.
        on_file: Called after each file with the number of files done and their total.

    Raises:
        SourceError: If a list is missing or malformed.
    """
    rows, unlisted = with_checksums(inventory.rows, read_checksums(lists))
    named = rows[(rows["status"] == "present") & (rows["checksum"] != "")]
    files = named.drop_duplicates(["source_dir", "source"])  # several segments may lie in one
    places = list(files[["source_dir", "source", "checksum"]].itertuples(index=False, name=None))
    mismatches = []
    with ThreadPoolExecutor(min(8, num_cores())) as pool:
        try:
            found = pool.map(partial(_compare, archives.index_dir), places)
            for done, mismatch in enumerate(found, start=1):
                mismatches += [mismatch] if mismatch else []
                on_file(done, len(places))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return ChecksumCheck(len(places), tuple(mismatches), unlisted)


def _compare(index_dir: Path, place: tuple[str, str, str]) -> Mismatch | None:
    source_dir, source, expected = place
    algorithm, where = expected.partition(":")[0], f"{source_dir.rstrip('/')}/{source}"
    try:
        found = f"{algorithm}:{_digest(source_dir, source, algorithm, index_dir)}"
    except (OSError, VidprepError) as error:
        problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Mismatch(where, expected, "", problem)
    return None if found == expected else Mismatch(where, expected, found)


def _digest(source_dir: str, source: str, algorithm: str, index_dir: Path) -> str:
    digest = hashlib.new(algorithm)
    for chunk in _chunks(source_dir, source, index_dir):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(source_dir: str, source: str, index_dir: Path) -> Iterator[bytes]:
    if MARK in source:
        with tempfile.TemporaryDirectory(prefix="vidprep-") as folder:
            path = archive_reader(index_dir).extract(source_dir, source, Path(folder) / "member")
            yield from _read(path.open("rb"))
    elif "://" in source_dir:
        with store_errors():
            yield from _read(fsspec.open(f"{source_dir.rstrip('/')}/{source}").open())
    else:
        yield from _read(open_regular(Path(source_dir) / source))


def _read(file: IO[Any]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
