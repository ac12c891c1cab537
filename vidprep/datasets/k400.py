"""Kinetics-400: the official CSV lists, and `<id>_<start>_<end>.mp4` in split and class folders."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from vidprep.datasets.records import DatasetFormat, read_first_line, read_text, records_table
from vidprep.errors import AnnotationError
from vidprep.recipes.manifests import DatasetManifest

_HEADER = ["label", "youtube_id", "time_start", "time_end", "split"]
_HEADERS = (_HEADER, [*_HEADER, "is_cc"])
# The official lists say "validate" or "val"; test rows have no labels that anybody could check.
_SPLIT_OF = {
    "train": "train",
    "val": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "",
}
_SECONDS = re.compile(r"([0-9]{1,6})(\.0+)?")


def is_list(path: Path) -> bool:
    """Tell a list by its suffix and its header."""
    if not path.name.lower().endswith((".csv", ".csv.gz")):
        return False
    return next(csv.reader(read_first_line(path).splitlines()[:1]), []) in _HEADERS


def read_list(path: Path, dataset: DatasetManifest) -> pd.DataFrame:
    """Read one CSV; it may hold several splits, of which test is left out.

    Raises:
        AnnotationError: If the header is another, or a row is malformed; the message names file and line.
    """
    lines = _read_lines(path)
    _, header = next(lines, (1, []))
    if header not in _HEADERS:
        raise AnnotationError(
            f"{path}: line 1: no Kinetics list: the header must be '{','.join(_HEADER)}' "
            f"with or without ',is_cc', got '{','.join(header)[:100]}'."
        )
    records = []
    for number, row in lines:
        if len(row) != len(header):
            raise _malformed(path, number, f"{len(row)} columns, the header has {len(header)}")
        split = _SPLIT_OF.get(row[4])
        if split is None:
            raise _malformed(path, number, f"split must be one of {', '.join(_SPLIT_OF)}, got '{row[4]}'")
        if split:
            records.append((split, _video_id(path, number, row), row[0], f"line {number}"))
    return records_table(records, path)


def _read_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the number of the line it ends on; blank lines do not count as rows."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise _malformed(path, reader.line_num, str(error)) from error


def _video_id(path: Path, number: int, row: list[str]) -> str:
    youtube_id = row[1]
    start, end = _SECONDS.fullmatch(row[2]), _SECONDS.fullmatch(row[3])
    if not youtube_id:
        raise _malformed(path, number, "youtube_id is empty")
    if start is None or end is None:
        raise _malformed(
            path, number, f"time_start and time_end must be whole seconds, got '{row[2]}' and '{row[3]}'"
        )
    if int(start[1]) >= int(end[1]):
        raise _malformed(path, number, f"time_end must be after time_start, got {row[2]} to {row[3]}")
    return f"{youtube_id}_{int(start[1]):06d}_{int(end[1]):06d}"


def _malformed(path: Path, number: int, what: str) -> AnnotationError:
    return AnnotationError(f"{path}: line {number}: {what}.")


FORMAT = DatasetFormat(
    is_list=is_list,
    read_list=read_list,
    list_names=f"a .csv or .csv.gz with the header {','.join(_HEADER)}[,is_cc]",
    video_suffixes=(".mp4", ".mkv", ".webm", ".avi", ".mov", ".ts", ".m4v"),
    video_paths="train/<label>/<id>_<start>_<end>.mp4 and train/<id>_<start>_<end>.mp4",
    has_class_folders=True,
)
