"""Turn the rows of an annotation file into records: ids, splits, classes, segments."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pandas as pd

from vidprep.datasets.list_rows import malformed, matching_name, read_json, read_rows
from vidprep.datasets.records import MORE_COLUMNS, read_text, records_table
from vidprep.errors import AnnotationError
from vidprep.recipes.dataset_file import AnnotationList, DatasetLabels, DatasetManifest
from vidprep.recipes.toml_models import nearest
from vidprep.shards.segment import Segment

_WHOLE = re.compile(r"([0-9]{1,6})(\.0+)?")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]+)?")
_CLOCK = re.compile(r"([0-9]{1,3}):([0-9]{2}):([0-9]{2}(?:\.[0-9]+)?)")
_FRAME = re.compile(r"[0-9]{1,9}")


def read_list(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> pd.DataFrame:
    """Read one annotation file.

    A labels file is only compared with the dataset's labels; its table is empty.

    Returns:
        A table of `records.COLUMNS`, and `MORE_COLUMNS` where samples are parts of files or have more labels.

    Raises:
        AnnotationError: If the file is malformed, or the labels have another order; the message names file
            and line.
    """
    if rule.content == "nothing":
        return records_table([], path)
    if rule.content == "labels":
        _check_labels(path, rule, dataset)
        return records_table([], path)
    reader = _RecordReader(path, rule, dataset)
    records, more = [], []
    for place, row in read_rows(path, rule, dataset):
        split = reader.split(place, row)
        if split:
            records.append((split, reader.sample_id(place, row), reader.label(place, row), place))
            if reader.has_more:
                more.append(reader.more(place, row))
    table = records_table(records, path)
    if not reader.has_more:
        return table
    return pd.concat([table, pd.DataFrame(more, columns=list(MORE_COLUMNS), dtype="str")], axis=1)


class _RecordReader:
    """Reads the fields of each row by a rule of the dataset file."""

    def __init__(self, path: Path, rule: AnnotationList, dataset: DatasetManifest) -> None:
        self.path, self.rule, self.dataset = path, rule, dataset
        self.has_more = bool(rule.video or rule.more_labels)
        self._number = {
            "whole_seconds": _whole_seconds,
            "seconds": _seconds,
            "clock": _clock,
            "frames": _frame,
        }[rule.times]
        # Lists of 240,000 rows name a few hundred pairs of times, again and again.
        self._known_times = lru_cache(maxsize=10_000)(self._read_times)
        self._names: dict[str, str] = {}  # of the classes, as the list spells them
        self._id, self._video, self._start, self._end = rule.id, rule.video, rule.start, rule.end
        self._split_column, self._split_of = rule.split_column, rule.split_values
        named = set(re.findall(r"{(\w+)", rule.id + rule.video)) - {rule.start, rule.end}
        self._named = sorted(named)
        self._sets = {labels.name: labels for labels in dataset.more_labels}

    def split(self, place: str, row: dict[str, str]) -> str:
        """Return the row's split, or "" for one that is left out."""
        if not self._split_column:
            return self.rule.split or ASSIGNED_LATER
        found = row[self._split_column]
        if found not in self._split_of:
            known = ", ".join(self._split_of)
            raise malformed(self.path, place, f"{self._split_column} must be one of {known}, got '{found}'")
        return self._split_of[found]

    def sample_id(self, place: str, row: dict[str, str]) -> str:
        """Return the id that the rule makes of a row."""
        for name in self._named:
            if not row[name]:
                raise malformed(self.path, place, f"{name} is empty")
        if not self._start or (self._video and not self._is_part(row)):
            return self._id.format_map(row)
        start, end = self._times(place, row)
        if self._id == self._video:
            return f"{self._id.format_map(row)}#{row[self._start]}-{row[self._end]}"
        # Downloaders name files by whole seconds, even if the list has fractions.
        return self._id.format_map(row | {self._start: int(start), self._end: int(end)})

    def label(self, place: str, row: dict[str, str]) -> str:
        """Return the row's class."""
        text = row[self.rule.label]
        name = self._names.get(text, "")
        if not name:
            name = self._class(self.dataset.labels, place, text)
            if self.rule.drop_from_label:
                name = name.translate(str.maketrans("", "", self.rule.drop_from_label))
            if not name:
                raise malformed(self.path, place, f"{self.rule.label} is empty")
            self._names[text] = name
        if self.rule.check_index and self.rule.check_index in row:
            numbered = self._numbered(self.dataset.labels, place, row[self.rule.check_index])
            if numbered != name:
                raise malformed(
                    self.path,
                    place,
                    f"{self.rule.check_index} {row[self.rule.check_index]} is '{numbered}', "
                    f"{self.rule.label} is '{name}'",
                )
        return name

    def more(self, place: str, row: dict[str, str]) -> tuple[str, str, str]:
        """Return the id of the file, the part of it, and the other labels."""
        labels = {
            name: self._further(name, place, row[column]) for name, column in self.rule.more_labels.items()
        }
        source = (self.rule.video or self.rule.id).format_map(row)
        part = self._segment(place, row).model_dump_json() if self._is_part(row) else ""
        return source, part, json.dumps(labels) if labels else ""

    def _is_part(self, row: dict[str, str]) -> bool:
        return bool(self.rule.video and (row.get(self.rule.start) or row.get(self.rule.end)))

    def _further(self, name: str, place: str, text: str) -> str:
        labels = self._sets[name]
        found = self._class(labels, place, text)
        if found not in labels.classes:
            hint = nearest(found, list(labels.classes))
            raise AnnotationError(
                f"{self.path}: {place}: {self.dataset.title} has no {name} '{found}'.{hint}"
            )
        return found

    def _segment(self, place: str, row: dict[str, str]) -> Segment:
        start, end = self._times(place, row)
        where = f"{self.path.name} {place}"
        if self.rule.times != "frames":
            return Segment(start=start, end=end, place=where)
        start, end = start - self.rule.first_frame, end - self.rule.first_frame
        if not self.rule.frame_rate:
            return Segment(start=start, end=end, unit="frames", place=where)
        rate = self.rule.frame_rate
        return Segment(start=start / rate, end=(end + 1) / rate, place=where)

    def _times(self, place: str, row: dict[str, str]) -> tuple[float, float]:
        start, end, wrong = self._known_times(row.get(self._start, ""), row.get(self._end, ""))
        if wrong:
            raise malformed(self.path, place, wrong)
        return start, end

    def _read_times(self, start_text: str, end_text: str) -> tuple[float, float, str]:
        """Return start and end, and what is wrong with them."""
        start, end = self._number(start_text), self._number(end_text)
        frames, names = self.rule.times == "frames", f"{self._start} and {self._end}"
        if start is None or end is None:
            what = _FORM_OF_TIMES[self.rule.times]
            return 0, 0, f"{names} must be {what}, got '{start_text}' and '{end_text}'"
        if start >= end and not (frames and start == end):
            return start, end, f"{self._end} must be after {self._start}, got {start_text} to {end_text}"
        if frames and start < self.rule.first_frame:
            return start, end, f"{names} count from {self.rule.first_frame}, got {start_text}"
        return start, end, ""

    def _class(self, labels: DatasetLabels, place: str, text: str) -> str:
        return self._numbered(labels, place, text) if self.rule.label_is == "index" else text.strip()

    def _numbered(self, labels: DatasetLabels, place: str, text: str) -> str:
        number = int(text) - labels.first_index if _FRAME.fullmatch(text) else -1
        if not 0 <= number < len(labels.classes):
            last = labels.first_index + len(labels.classes) - 1
            raise malformed(
                self.path,
                place,
                f"{self.dataset.title} numbers its labels from {labels.first_index} to {last}, got '{text}'",
            )
        return labels.classes[number]


# For rows whose split neither the list nor its name tells: a hash of the id decides, see `assign_splits`.
ASSIGNED_LATER = "unassigned"
_FORM_OF_TIMES = {
    "whole_seconds": "whole seconds",
    "seconds": "seconds",
    "clock": "hours:minutes:seconds",
    "frames": "frame numbers",
}


def _whole_seconds(text: str) -> float | None:
    found = _WHOLE.fullmatch(text)
    return float(found[1]) if found else None


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None


def _clock(text: str) -> float | None:
    found = _CLOCK.fullmatch(text)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _frame(text: str) -> float | None:
    return float(text) if _FRAME.fullmatch(text) else None


def _check_labels(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> None:
    """Compare a labels file with the dataset's label order."""
    found_name = matching_name(rule, path, given=True)
    group = found_name.groupdict().get("labels") if found_name else None
    sets = {labels.name: labels for labels in (dataset.labels, *dataset.more_labels)}
    labels = sets.get(group or "", dataset.labels)
    found = _READ_LABELS[rule.form](path, rule, dataset)
    for index, (ours, theirs) in enumerate(zip(labels.classes, found, strict=False)):
        if ours != theirs:
            raise AnnotationError(
                f"{path}: not the label order of {dataset.title}: index {index} is '{theirs}', "
                f"the official list has '{ours}' there. Use the labels file of the official release."
            )
    if len(found) != len(labels.classes):
        raise AnnotationError(
            f"{path}: {len(found)} labels, {dataset.title} has {len(labels.classes)}. "
            "Use the labels file of the official release."
        )


def _json_labels(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> list[str]:
    """Read `{"class name": "index", ...}`, or a list of names, a name being possibly a list of words."""
    labels = read_json(path)
    drop = str.maketrans("", "", rule.drop_from_label)
    if isinstance(labels, list) and labels and all(isinstance(name, list) for name in labels):
        return ["+".join(str(word) for word in name) for name in labels]
    try:
        return [name.translate(drop) for name, _ in sorted(labels.items(), key=lambda item: int(item[1]))]
    except (TypeError, ValueError, AttributeError) as error:
        raise AnnotationError(
            f'{path}: not a labels file: it must hold {{"class name": "index", ...}}.'
        ) from error


def _row_labels(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> list[str]:
    return [row[rule.label] for _, row in read_rows(path, rule, dataset)]


def _line_labels(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> list[str]:
    """Read one class a line; a number in front, as in UCF101's `classInd.txt`, is not part of it."""
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    return [re.sub(r"^\d+\s+", "", line) for line in lines] if "index" in rule.columns else lines


_READ_LABELS: dict[str, Callable[[Path, AnnotationList, DatasetManifest], list[str]]] = {
    "json": _json_labels,
    "csv": _row_labels,
    "lines": _line_labels,
}
