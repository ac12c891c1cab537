"""Read annotation files of every form as rows of named columns, each with its place in the file."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from vidprep.datasets.records import read_first_line, read_text
from vidprep.errors import AnnotationError
from vidprep.recipes.dataset_file import FOLD, AnnotationList, DatasetManifest

Row = tuple[str, dict[str, str]]


def matching_name(rule: AnnotationList, path: Path, *, given: bool = False) -> re.Match[str] | None:
    """Match a file's name, without `.gz`, with a rule's pattern; its group `fold`, if any, is the fold."""
    pattern = (given and rule.given_file) or rule.file
    name = path.name.removesuffix(".gz")
    return re.fullmatch(pattern.replace(FOLD, r"(?P<fold>\d+)"), name)


def looks_like(rule: AnnotationList, path: Path) -> bool:
    """Tell by the beginning of a file, whose name fits a rule, whether it is a list of that kind."""
    if rule.form == "csv" and rule.header:
        header = next(csv.reader(read_first_line(path).splitlines()[:1], delimiter=rule.separator), [])
        return _is_header(rule, header)
    if rule.starts_with:
        return read_first_line(path).lstrip()[:1] in ("", rule.starts_with)
    return True


def read_rows(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> Iterator[Row]:
    """Yield the place ("line 7") and the columns of each row.

    Raises:
        AnnotationError: If the file is malformed; the message names file and line.
    """
    named = matching_name(rule, path)
    groups = named.groupdict() if named else {}
    constants = {name: value for name, value in groups.items() if value is not None}
    rows = _FORMS[rule.form](path, rule, dataset)
    if not constants and "path" not in (*rule.columns, *rule.optional_columns):
        yield from rows
        return
    for place, row in rows:
        if "path" in row:
            inside = PurePosixPath(row["path"])
            row["stem"], row["folder"] = inside.stem, inside.parent.name
        yield place, row | constants if constants else row


def read_json(path: Path) -> Any:
    """Read a JSON file, gzipped or not.

    Raises:
        AnnotationError: If it is not valid JSON, or cannot be read.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{path}: not valid JSON: {error}. Fetch the file again.") from error


def malformed(path: Path, place: str, what: str) -> AnnotationError:
    """Return the error for a malformed row."""
    return AnnotationError(f"{path}: {place}: {what}.")


def _is_header(rule: AnnotationList, header: list[str]) -> bool:
    needed = list(rule.columns)
    if header[: len(needed)] == needed:
        return set(header[len(needed) :]) <= set(rule.optional_columns)
    # A list of your own may have its columns in any order.
    return rule.any_order and set(needed) <= set(header)


def _csv_rows(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> Iterator[Row]:
    lines = _csv_lines(path, rule)
    names = [*rule.columns, *rule.optional_columns]
    if rule.header:
        _, names = next(lines, (1, []))
        if not _is_header(rule, names):
            raise AnnotationError(_wrong_header(path, rule, dataset, names))
    fewest = len(names) if rule.header else len(rule.columns)
    for number, row in lines:
        if not fewest <= len(row) <= len(names):
            has = f"the header has {len(names)}" if rule.header else f"there should be {fewest}"
            raise malformed(path, f"line {number}", f"{len(row)} columns, {has}")
        yield f"line {number}", dict(zip(names, row, strict=False))


def _wrong_header(path: Path, rule: AnnotationList, dataset: DatasetManifest, found: list[str]) -> str:
    optional = f" with or without '{rule.separator}{rule.separator.join(rule.optional_columns)}'"
    return (
        f"{path}: line 1: no {dataset.short_title or dataset.title} list: the header must be "
        f"'{rule.separator.join(rule.columns)}'{optional if rule.optional_columns else ''}, "
        f"got '{rule.separator.join(found)[:100]}'."
    )


def _csv_lines(path: Path, rule: AnnotationList) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the number of the line it ends on; blank lines do not count as rows."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=rule.separator)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise malformed(path, f"line {reader.line_num}", str(error)) from error


def _json_rows(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> Iterator[Row]:
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if line.strip():
                yield (
                    f"line {number}",
                    _json_columns(path, rule, f"line {number}", _parsed(path, number, line)),
                )
        return
    rows = read_json(path)
    if not isinstance(rows, list):
        keys = ", ".join(f'"{key}": "..."' for key in rule.columns)
        raise AnnotationError(
            f"{path}: no {dataset.short_title or dataset.title} list: it must hold [{{{keys}}}, ...], "
            f"found one JSON {type(rows).__name__}."
        )
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", _json_columns(path, rule, f"row {number}", row)


def _parsed(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise malformed(path, f"line {number}", f"not valid JSON: {error.msg}") from error


def _json_columns(path: Path, rule: AnnotationList, place: str, row: Any) -> dict[str, str]:
    values = [row.get(name) if isinstance(row, dict) else None for name in rule.columns]
    texts = [value if type(value) is str else _as_text(value) for value in values]
    columns = dict(zip(rule.columns, texts, strict=True))
    if not all(columns.values()):
        needed = " and ".join(f"{'an' if name[0] in 'aeiou' else 'a'} '{name}'" for name in rule.columns)
        raise malformed(path, place, f"needs {needed}, got {json.dumps(row)[:100]}")
    return columns


def _as_text(value: Any) -> str:
    # Some copies write ids as numbers. True is an int, too.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _line_rows(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> Iterator[Row]:
    """Yield "path label" lines, split from the right: a path may hold blanks, a label may not."""
    most, fewest = len(rule.columns) + len(rule.optional_columns), len(rule.columns)
    names = [*rule.columns, *rule.optional_columns]
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.strip().rsplit(maxsplit=most - 1)
        if len(parts) < fewest:
            raise malformed(
                path, f"line {number}", f"should be '{' '.join(rule.columns)}', got '{line[:100]}'"
            )
        yield f"line {number}", dict(zip(names, parts, strict=False))


_FORMS: dict[str, Callable[[Path, AnnotationList, DatasetManifest], Iterator[Row]]] = {
    "csv": _csv_rows,
    "json": _json_rows,
    "lines": _line_rows,
}
