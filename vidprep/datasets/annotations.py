"""Annotation lists: find them, read them, and refuse what would be silently wrong."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from vidprep.datasets.formats import FORMATS
from vidprep.errors import AnnotationError
from vidprep.recipes.manifests import SPLITS, DatasetManifest, read_dataset
from vidprep.recipes.toml_models import nearest

# Where lists lie in a folder that was given, or in a folder of videos.
_SUBFOLDERS = ("", "annotations", "labels")
_TABLES = (".csv", ".csv.gz", ".json", ".json.gz")


def read_annotations(dataset: DatasetManifest, paths: list[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read the annotation lists of a dataset.

    Args:
        paths: Files, and folders that hold them (directly, or in `annotations/` or `labels/`).

    Returns:
        The records (see `records.COLUMNS`) of all classes, and the path of each split's list.

    Raises:
        AnnotationError: If there is no list, one belongs to another dataset or is malformed, two are of the
            same split, or a class is unknown.
    """
    tables, lists = [], dict[str, str]()
    for path in _find_lists(dataset, paths):
        table = FORMATS[dataset.name].read_list(path, dataset)
        _check_classes(table, dataset, path)
        for split in sorted(table["split"].unique()):
            _add_list(lists, split, path)
        tables.append(table)
    if not lists:
        raise _nothing_found(dataset, paths, "")
    return pd.concat(tables, ignore_index=True), {split: lists[split] for split in SPLITS if split in lists}


def _add_list(lists: dict[str, str], split: str, path: Path) -> None:
    if split in lists:
        raise AnnotationError(
            f"Two lists of the split '{split}': {lists[split]} and {path}. "
            "Pass the ones you want: --annotations FILE, once for each."
        )
    lists[split] = str(path)


def _find_lists(dataset: DatasetManifest, paths: list[str]) -> list[Path]:
    """Return the annotation files of `dataset`, each once, in the order given; sorted within a folder."""
    found: dict[Path, Path] = {}
    for given in map(Path, paths):
        for path in _lists_in(dataset, given):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _lists_in(dataset: DatasetManifest, given: Path) -> list[Path]:
    if given.is_dir():
        found = [path for path in _tables_in(given) if FORMATS[dataset.name].is_list(path)]
        other = next(_lists_of_others(dataset, list(_tables_in(given))), "") if not found else ""
        if other:
            raise _nothing_found(dataset, [str(given)], other)
        return found
    if not given.is_file():
        raise AnnotationError(f"No annotations at {given}. Pass a file or a folder: --annotations PATH.")
    other = next(_lists_of_others(dataset, [given]), "")
    if other and not FORMATS[dataset.name].is_list(given):
        raise AnnotationError(f"{given} is {other}, not of {dataset.title}.")
    return [given]


def _tables_in(folder: Path) -> Iterator[Path]:
    for name in _SUBFOLDERS:
        if (folder / name).is_dir():
            yield from sorted(
                path
                for path in (folder / name).iterdir()
                if path.name.lower().endswith(_TABLES) and not path.name.startswith(".") and path.is_file()
            )


def _lists_of_others(dataset: DatasetManifest, paths: list[Path]) -> Iterator[str]:
    for name, other in FORMATS.items():
        for path in paths:
            if name != dataset.name and other.is_list(path):
                yield f"a list of {read_dataset(name).title} ({path.name})"


def _nothing_found(dataset: DatasetManifest, paths: list[str], other: str) -> AnnotationError:
    tables = [path.name for given in map(Path, paths) if given.is_dir() for path in _tables_in(given)]
    found = other or ", ".join(tables[:5]) + (f" and {len(tables) - 5} more" if len(tables) > 5 else "")
    return AnnotationError(
        f"No annotations of {dataset.title} in {', '.join(paths)}. "
        f"Looked for {FORMATS[dataset.name].list_names}, in a folder also under annotations/ and labels/. "
        f"Found instead: {found or 'nothing'}. Pass --annotations PATH, once for each file or folder."
    )


def _check_classes(table: pd.DataFrame, dataset: DatasetManifest, path: Path) -> None:
    unknown = table[~table["class"].isin(dataset.labels.classes)]
    if unknown.empty:
        return
    first, num_names = unknown.iloc[0], unknown["class"].nunique()
    more = (
        f" {num_names:,} unknown class names in {len(unknown):,} of {len(table):,} rows: "
        "is this the list of another dataset?"
        if num_names > 1
        else ""
    )
    hint = nearest(first["class"], list(dataset.labels.classes))
    raise AnnotationError(
        f"{path}: {first['place']}: {dataset.title} has no class '{first['class']}'.{hint}{more}"
    )
