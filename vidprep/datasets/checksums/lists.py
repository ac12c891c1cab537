"""Lists of checksums, as sha256sum and md5sum write them, and which videos they name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from vidprep.errors import SourceError

# "HEX  name", "HEX *name"; with a backslash in front if the name has one or a line break in it.
_GNU = re.compile(r"(\\?)([0-9a-fA-F]+) [ *](.+)")
# "SHA256 (name) = HEX", as BSD's and OpenSSL's tools write it.
_TAGGED = re.compile(r"(?:SHA256|MD5) ?\((.+)\) ?= ([0-9a-fA-F]+)")
_ALGORITHMS = {64: "sha256", 32: "md5"}


@dataclass(frozen=True)
class Unlisted:
    """Videos that are present and that no list names.

    Attributes:
        num_videos: Number of such videos.
        example: Path of the first one.
    """

    num_videos: int
    example: str


def read_checksums(paths: Sequence[Path | str]) -> dict[str, str]:
    """Read lists of checksums.

    Returns:
        "sha256:HEX" or "md5:HEX" by the file's name, as it is in the list.

    Raises:
        SourceError: If a list is missing or malformed, or two lines contradict each other.
    """
    sums: dict[str, str] = {}
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"The list of checksums {path} cannot be read: {error}.") from error
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            name, checksum = _parse(line, f"{path} line {number}")
            if sums.setdefault(name, checksum) != checksum and sums[name][:6] == checksum[:6]:
                raise SourceError(
                    f"{path} line {number}: {name} has another checksum above. Keep the right one of them."
                )
    return sums


def with_checksums(rows: pd.DataFrame, sums: dict[str, str]) -> tuple[pd.DataFrame, Unlisted]:
    """Add the column `checksum` to the rows of an inventory; "" where no list names the file.

    A name in a list may be the path below the source folder, the end of that path, or the file name alone if
    it occurs only once.
    """
    by_end: dict[str, set[str]] = {}
    for name, checksum in sums.items():
        by_end.setdefault(PurePosixPath(name).name, set()).add(checksum)
    found = [_find(source, sums, by_end) for source in rows["source"]]
    rows = rows.assign(checksum=pd.Series(found, index=rows.index, dtype="str"))
    unlisted = rows[(rows["status"] == "present") & (rows["checksum"] == "")]
    return rows, Unlisted(len(unlisted), unlisted["source"].iloc[0] if len(unlisted) else "")


def _find(source: str, sums: dict[str, str], by_end: dict[str, set[str]]) -> str:
    parts = source.split("/")
    for start in range(len(parts)):
        known = sums.get("/".join(parts[start:]))
        if known:
            return known
    candidates = by_end.get(parts[-1], set())
    return next(iter(candidates)) if len(candidates) == 1 else ""


def _parse(line: str, place: str) -> tuple[str, str]:
    gnu, tagged = _GNU.fullmatch(line), _TAGGED.fullmatch(line)
    if gnu:
        name, digest = gnu[3], gnu[2]
        if gnu[1]:
            name = name.replace("\\n", "\n").replace("\\\\", "\\")
    elif tagged:
        name, digest = tagged[1], tagged[2]
    else:
        raise SourceError(
            f"{place}: {line[:60]!r} is no checksum. Lines look like `HEX  name`, as sha256sum and md5sum "
            "write them."
        )
    if len(digest) not in _ALGORITHMS:
        raise SourceError(
            f"{place}: a checksum of {len(digest)} digits is neither sha256 (64) nor md5 (32). Make the list "
            "with sha256sum."
        )
    return name.removeprefix("./"), f"{_ALGORITHMS[len(digest)]}:{digest.lower()}"
