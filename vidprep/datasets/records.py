"""Annotation records: the one table that every kind of list is read into."""

import gzip
import zlib
from pathlib import Path

import pandas as pd

from vidprep.errors import AnnotationError

# One row per annotated video, in the order of the list, with its `file` and `place` ("line 7") there.
COLUMNS = ("split", "video_id", "class", "file", "place")
# Where samples are parts of files, or have several labels, also: the id of the file, the part as JSON (see
# `vidprep.shards.segment`), and the other labels as JSON.
MORE_COLUMNS = ("source_id", "segment", "more_labels")


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, gzipped or not.

    Raises:
        AnnotationError: If it cannot be read.
    """
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise AnnotationError(
            f"{path}: cannot be read: line {line} is no UTF-8 text (byte 0x{error.object[error.start]:02x}; "
            "the file may be in Latin-1). Convert it, or fetch the file again."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(f"{path}: cannot be read: {error}. Fetch the file again.") from error


def read_first_line(path: Path) -> str:
    """Read the beginning of a text file, gzipped or not: its first line, at most 1,000 bytes of it.

    Raises:
        AnnotationError: If it cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.readline(1000).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(f"{path}: cannot be read: {error}. Fetch the file again.") from error


def records_table(rows: list[tuple[str, str, str, str]], path: Path) -> pd.DataFrame:
    """Make a table of records.

    Args:
        rows: Split, video id, class and place ("line 7") of each record.
        path: The list that they come from.

    Raises:
        AnnotationError: If a text is no valid Unicode (JSON can spell half a surrogate pair).
    """
    for _, video_id, name, place in rows:
        if not (video_id.isascii() and name.isascii()) and not _is_unicode(video_id + name):
            raise AnnotationError(f"{path}: {place}: {video_id!r}, {name!r}: no valid Unicode text.")
    table = pd.DataFrame(rows, columns=["split", "video_id", "class", "place"], dtype="str")
    return table.assign(file=path.name)[list(COLUMNS)]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
