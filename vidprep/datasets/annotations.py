"""Annotation lists: find them, read them, and refuse what would be silently wrong."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vidprep.datasets.list_records import ASSIGNED_LATER, read_list
from vidprep.datasets.list_rows import looks_like, matching_name
from vidprep.datasets.segment_lists import check_segments
from vidprep.errors import AnnotationError
from vidprep.recipes.dataset_file import AnnotationList, DatasetManifest
from vidprep.recipes.manifests import SPLITS, dataset_names, read_dataset
from vidprep.recipes.recipe import DatasetStage
from vidprep.recipes.toml_models import nearest

# Folders, below one that was given or one of videos, in which lists are looked for.
_SUBFOLDERS = ("", "annotations", "labels")
_TABLES = tuple(f".{suffix}{gz}" for suffix in ("csv", "json", "jsonl", "txt") for gz in ("", ".gz"))

# A file, and the rule that says how to read it.
_Found = tuple[Path, AnnotationList]


@dataclass(frozen=True)
class Annotations:
    """What the lists of a dataset say.

    Attributes:
        records: A row of `records.COLUMNS` per annotated sample, of all classes.
        lists: The path of the list by split; a folder, where several files make one list.
        notes: Sentences to show beside the counts.
    """

    records: pd.DataFrame
    lists: dict[str, str]
    notes: tuple[str, ...] = ()


def read_annotations(
    dataset: DatasetManifest, paths: list[str], stage: DatasetStage, sources: Sequence[str] = ()
) -> Annotations:
    """Read the annotation lists of a dataset.

    Args:
        dataset: The dataset and its rules for reading lists.
        paths: Files, and folders that hold them (directly, or in `annotations/` or `labels/`).
        stage: Which fold and release is meant.
        sources: Folders of the videos; where ids are paths, paths in a list may begin with one of them.

    Raises:
        AnnotationError: If there is no list, one belongs to another dataset or is malformed, two are for the
            same split, or a class is unknown.
    """
    tables, notes = [], []
    lists: dict[str, _Found] = {}
    found = _find_lists(dataset, paths, stage)
    for path, rule in found:
        if rule.content == "videos":
            continue
        table = _below_sources(read_list(path, rule, dataset), dataset, sources)
        table = assign_splits(table, dataset)
        if dataset.labels.classes:
            _check_classes(table, dataset, path)
        for split in sorted(table["split"].unique()):
            _add_list(lists, split, (path, rule))
        tables.append(table)
        notes += [f"{path.name}: {rule.note}"] if rule.note and not table.empty else []
    if not lists:
        raise _nothing_found(dataset, paths, "")
    records = pd.concat(tables, ignore_index=True).fillna("")
    for path, rule in found:
        if rule.content == "videos":
            notes.append(check_segments(records, path, rule, dataset))
    named = {split: str(path.parent if rule.parts else path) for split, (path, rule) in lists.items()}
    return Annotations(records, {split: named[split] for split in SPLITS if split in named}, tuple(notes))


def _below_sources(table: pd.DataFrame, dataset: DatasetManifest, sources: Sequence[str]) -> pd.DataFrame:
    """Remove `./` and the source folder from the beginning of paths."""
    if dataset.videos.id != "path":
        return table
    fronts = ["./", *(f"{str(source).rstrip('/')}/" for source in sources)]
    fronts += [f"{Path(source).absolute()}/" for source in sources if "://" not in source]
    for name in ("video_id", "source_id"):
        if name in table:
            for front in fronts:
                table[name] = table[name].str.removeprefix(front)
    return table


def assign_splits(table: pd.DataFrame, dataset: DatasetManifest) -> pd.DataFrame:
    """Choose the split of records without one by a hash of seed and id; added records move no other."""
    unassigned = table["split"] == ASSIGNED_LATER
    if not unassigned.any():
        return table
    ids = table.loc[unassigned, "video_id"]
    limit = dataset.val_fraction * 2**32
    splits = [
        "validation"
        if int(hashlib.sha256(f"{dataset.val_seed}:{video_id}".encode()).hexdigest()[:8], 16) < limit
        else "train"
        for video_id in ids
    ]
    table = table.copy()
    table.loc[unassigned, "split"] = splits
    return table


def _add_list(lists: dict[str, _Found], split: str, found: _Found) -> None:
    path, rule = found
    before = lists.get(split)
    if before and not (rule.parts and before[1] == rule and before[0].parent == path.parent):
        raise AnnotationError(
            f"Two lists of the split '{split}': {before[0]} and {path}. "
            "Pass the ones you want: --annotations FILE, once for each."
        )
    lists[split] = found


def _find_lists(dataset: DatasetManifest, paths: list[str], stage: DatasetStage) -> list[_Found]:
    """Return the annotation files of `dataset`, each once, in the order given; sorted within a folder."""
    found: dict[Path, _Found] = {}
    for given in map(Path, paths):
        for path, rule in _lists_in(dataset, given, stage):
            found.setdefault(path.resolve(), (path, rule))
    return list(found.values())


def _lists_in(dataset: DatasetManifest, given: Path, stage: DatasetStage) -> list[_Found]:
    if given.is_dir():
        return _lists_in_folder(dataset, given, stage)
    if not given.is_file():
        raise AnnotationError(f"No annotations at {given}. Pass a file or a folder: --annotations PATH.")
    other = next(_lists_of_others(dataset, [given]), "")
    if other and not any(_is_list(rule, given) for rule in dataset.lists):
        raise AnnotationError(f"{given} is {other}, not of {dataset.title}.")
    return [(given, _rule_of_given(dataset, given, stage))]


def _lists_in_folder(dataset: DatasetManifest, given: Path, stage: DatasetStage) -> list[_Found]:
    found, other_fold = [], False
    tables = list(_tables_in(given, dataset))
    for path in tables:
        rule = next((rule for rule in dataset.lists if _is_list(rule, path)), None)
        if rule is None or _is_of_another_release(dataset, path, stage):
            continue
        if _fold_of(rule, path) in (None, stage.fold or 1):
            found.append((path, rule))
        else:
            other_fold = True
    if found or other_fold:
        return found
    other = next(_lists_of_others(dataset, tables), "")
    if other:
        raise _nothing_found(dataset, [str(given)], other)
    return []


def _rule_of_given(dataset: DatasetManifest, path: Path, stage: DatasetStage) -> AnnotationList:
    """Return how to read a file that a person names, whatever its name."""
    rules = [rule for rule in dataset.lists if matching_name(rule, path, given=True)]
    fitting = [rule for rule in rules if looks_like(rule, path)] or rules
    if not fitting:
        raise AnnotationError(
            f"{path}: {dataset.which_list or f'its name is none of: {dataset.list_names}.'}"
        )
    fold = _fold_of(fitting[0], path)
    if fold not in (None, stage.fold or 1):
        raise AnnotationError(
            f"{path} is a list of fold {fold}, dataset.fold is {stage.fold or 1}. "
            f"Pass --set dataset.fold={fold}, or the lists of the other fold."
        )
    return fitting[0]


def _is_list(rule: AnnotationList, path: Path) -> bool:
    return rule.form != "folders" and matching_name(rule, path) is not None and looks_like(rule, path)


def _fold_of(rule: AnnotationList, path: Path) -> int | None:
    """Return the fold that a file's name tells, or None."""
    found = matching_name(rule, path) or matching_name(rule, path, given=True)
    fold = found.groupdict().get("fold") if found else None
    return int(fold) if fold else None


def _is_of_another_release(dataset: DatasetManifest, path: Path, stage: DatasetStage) -> bool:
    named = release_of(dataset, path)
    return named is not None and named != (stage.release or dataset.releases[0].name)


def release_of(dataset: DatasetManifest, path: Path) -> str | None:
    """Return the release that a list belongs to, by its name; None if the name tells nothing."""
    name = path.name.removesuffix(".gz")
    return next((each.name for each in dataset.releases if re.fullmatch(each.file, name)), None)


def _tables_in(folder: Path, dataset: DatasetManifest) -> Iterator[Path]:
    for name in (*_SUBFOLDERS, *dataset.list_folders):
        if (folder / name).is_dir():
            yield from sorted(
                path
                for path in (folder / name).iterdir()
                if path.name.lower().endswith(_TABLES) and not path.name.startswith(".") and path.is_file()
            )


def _lists_of_others(dataset: DatasetManifest, paths: list[Path]) -> Iterator[str]:
    for name in dataset_names():
        if name == dataset.name:
            continue
        other = read_dataset(name)
        for path in paths:
            if any(rule.content == "records" and _is_list(rule, path) for rule in other.lists):
                yield f"a list of {other.title} ({path.name})"


def _nothing_found(dataset: DatasetManifest, paths: list[str], other: str) -> AnnotationError:
    folders = [given for given in map(Path, paths) if given.is_dir()]
    tables = [path.name for given in folders for path in _tables_in(given, dataset)]
    found = other or ", ".join(tables[:5]) + (f" and {len(tables) - 5} more" if len(tables) > 5 else "")
    return AnnotationError(
        f"No annotations of {dataset.title} in {', '.join(paths)}. "
        f"Looked for {dataset.list_names}, in a folder also under annotations/ and labels/. "
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
