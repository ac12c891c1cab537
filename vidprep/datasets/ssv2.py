"""Something-Something v2: the official JSON lists, and `<id>.webm` anywhere below a source folder."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from vidprep.datasets.records import DatasetFormat, read_first_line, read_text, records_table
from vidprep.errors import AnnotationError
from vidprep.recipes.manifests import DatasetManifest

# The first release names its files `something-something-v2-train.json`, the later one `labels/train.json`.
_OFFICIAL_NAME = re.compile(r"(something-something-v2-)?(labels|train|validation|test)\.json(\.gz)?")
_ANY_NAME = re.compile(r"(?:.*[^A-Za-z])?(labels|train|val|validation|test)\.json(?:\.gz)?", re.IGNORECASE)
_BRACKETS = str.maketrans("", "", "[]")


def is_list(path: Path) -> bool:
    """Tell a list by its name, and by its first character from the `train.json` of other datasets."""
    named = _OFFICIAL_NAME.fullmatch(path.name)
    if named is None:
        return False
    return read_first_line(path).lstrip()[:1] in ("", "{" if named[2] == "labels" else "[")


def read_list(path: Path, dataset: DatasetManifest) -> pd.DataFrame:
    """Read one of the official files.

    A labels file is compared with the manifest and annotates nothing; neither does the test list, which has
    no labels.

    Raises:
        AnnotationError: If the name does not tell the split, the file is malformed, or the labels file has
            another order than the manifest.
    """
    named = _ANY_NAME.fullmatch(path.name)
    if named is None:
        raise AnnotationError(
            f"{path}: is this the train or the validation list? Its name must end in train.json, "
            "validation.json or labels.json (or the same with .gz)."
        )
    return _READ[named[1].lower()](path, dataset)


def class_of_template(template: str) -> str:
    """Return the class that a template stands for: its text without the square brackets."""
    return template.translate(_BRACKETS)


def _read_train(path: Path, dataset: DatasetManifest) -> pd.DataFrame:
    return _read_rows(path, "train")


def _read_validation(path: Path, dataset: DatasetManifest) -> pd.DataFrame:
    return _read_rows(path, "validation")


def _read_test(path: Path, dataset: DatasetManifest) -> pd.DataFrame:
    return records_table([], path)


def _read_labels(path: Path, dataset: DatasetManifest) -> pd.DataFrame:
    found = _labels_in_order(path)
    for index, (ours, theirs) in enumerate(zip(dataset.labels.classes, found, strict=False)):
        if ours != theirs:
            raise AnnotationError(
                f"{path}: not the label order of {dataset.title}: index {index} is '{theirs}', "
                f"the official list has '{ours}' there. Use the labels file of the official release."
            )
    if len(found) != len(dataset.labels.classes):
        raise AnnotationError(
            f"{path}: {len(found)} labels, {dataset.title} has {len(dataset.labels.classes)}. "
            "Use the labels file of the official release."
        )
    return records_table([], path)


_READ = {
    "labels": _read_labels,
    "train": _read_train,
    "val": _read_validation,
    "validation": _read_validation,
    "test": _read_test,
}


def _labels_in_order(path: Path) -> list[str]:
    labels = _read_json(path)
    try:
        return [class_of_template(name) for name, _ in sorted(labels.items(), key=lambda item: int(item[1]))]
    except (TypeError, ValueError, AttributeError) as error:
        raise AnnotationError(
            f'{path}: no labels file: it must hold {{"class name": "index", ...}}.'
        ) from error


def _read_rows(path: Path, split: str) -> pd.DataFrame:
    rows = _read_json(path)
    if not isinstance(rows, list):
        raise AnnotationError(
            f'{path}: no Something-Something list: it must hold [{{"id": "1", "template": "..."}}, ...], '
            f"found one JSON {type(rows).__name__}."
        )
    records = (_record(path, number, row) for number, row in enumerate(rows, start=1))
    return records_table([(split, *record) for record in records], path)


def _record(path: Path, number: int, row: Any) -> tuple[str, str, str]:
    video_id = row.get("id") if isinstance(row, dict) else None
    template = row.get("template") if isinstance(row, dict) else None
    # Some copies write ids as numbers. True is an int, too.
    if isinstance(video_id, int) and not isinstance(video_id, bool):
        video_id = str(video_id)
    if not (isinstance(video_id, str) and video_id and isinstance(template, str) and template):
        raise AnnotationError(
            f"{path}: row {number}: needs an 'id' and a 'template', got {json.dumps(row)[:100]}."
        )
    return video_id, class_of_template(template), f"row {number}"


def _read_json(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{path}: not valid JSON: {error}. Fetch the file again.") from error


FORMAT = DatasetFormat(
    is_list=is_list,
    read_list=read_list,
    list_names="something-something-v2-{train,validation}.json[.gz]",
    video_suffixes=(".webm", ".mp4", ".mkv"),
    video_paths="<id>.webm, at any depth",
    has_class_folders=False,
)
