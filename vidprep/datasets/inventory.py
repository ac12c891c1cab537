"""The inventory: every annotated video of a recipe's classes as present, missing or rejected."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from vidprep.datasets.annotations import read_annotations, release_of
from vidprep.datasets.archives.listing import ArchiveOptions
from vidprep.datasets.folder_records import folder_records, is_made_of_folders
from vidprep.datasets.folders import class_folders, describe_folder
from vidprep.datasets.matching import match
from vidprep.datasets.records import MORE_COLUMNS
from vidprep.datasets.scan import Scan, check_sources, scan_sources
from vidprep.errors import AnnotationError, SourceError
from vidprep.recipes.classes import dataset_of, expected_counts, resolve_classes
from vidprep.recipes.dataset_file import DatasetManifest, VideoFiles, two_alike
from vidprep.recipes.recipe import DatasetStage

COLUMNS = (
    "split",
    "video_id",
    "class",
    "label",
    "label_full",
    "key",
    "status",
    "reason",
    "detail",
    "source_dir",
    "source",
    "source_bytes",
)
STATUSES = ("present", "missing", "rejected")
_MAX_EXAMPLES = 5


@dataclass(frozen=True)
class ExtraVideos:
    """Videos that no list names.

    Attributes:
        num_videos: Number of such videos.
        examples: The first few paths.
    """

    num_videos: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Inventory:
    """Which videos are in the dataset, and which file belongs to which.

    Attributes:
        rows: A row of `COLUMNS` per annotated video of the classes, sorted by split (train first) and id.
            `label` is the index in `classes`, `label_full` the one in the full dataset; `reason` is a
            word of `vidprep.shards.ledger.REASONS` or ""; `source` is a path below `source_dir`, and both
            are "" where no file is.
        dataset: The full dataset.
        classes: Names in label order.
        expected: Published count per split; empty if there is none for these classes.
        lists: The annotation file of each split that has one.
        stage: The `[dataset]` table of the recipe; of your own videos, with the classes that were found.
        sources: The source folders as given; if there are none, no video was looked for.
        extra: Videos that are annotated nowhere, per split folder; "" where no folder tells the split.
        problems: What is wrong with archives among the sources; their other videos count as present.
        notes: Sentences about the lists to show beside the counts.
    """

    rows: pd.DataFrame
    dataset: DatasetManifest
    classes: tuple[str, ...]
    expected: dict[str, int]
    lists: dict[str, str]
    stage: DatasetStage
    sources: tuple[str, ...] = ()
    extra: dict[str, ExtraVideos] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def take_inventory(
    stage: DatasetStage,
    sources: list[str],
    annotations: list[str],
    *,
    archives: ArchiveOptions | None = None,
) -> Inventory:
    """Read the annotation, scan the source folders, and match the two.

    Args:
        stage: The dataset and its classes.
        sources: Folders of raw videos; a later one fills gaps of the earlier ones. If there are none, only
            the annotation is checked, and every good record counts as missing.
        annotations: Annotation files or folders; if there are none, they are looked for in the sources.
        archives: How archives in the source folders are listed; None: with an index in the user's cache.

    Raises:
        RecipeError: If the recipe's classes are wrong.
        AnnotationError: If a list is missing, wrong or malformed.
        SourceError: If a source folder is missing, or none of the videos is in any of them.
    """
    dataset = dataset_of(stage)
    remedy = (
        "Name the folder that holds the videos."
        if stage.definition
        else f"Pass --source DIR or set VIDPREP_{dataset.name.upper()}."
    )
    check_sources(sources, remedy=remedy)
    if is_made_of_folders(dataset):
        scan = _scan(sources, dataset.videos, remedy, archives)
        records, lists = folder_records(scan, dataset, sources)
        notes: tuple[str, ...] = ()
        dataset = _with_found_classes(dataset, records)
    else:
        found = read_annotations(dataset, annotations or _local(sources, dataset), stage, sources)
        records, lists, notes = found.records, found.lists, found.notes
        dataset = _with_found_classes(dataset, records)
        scan = _scan(sources, dataset.videos, remedy, archives)
    scan = _with_folders(scan, dataset)
    if stage.definition:
        stage = stage.model_copy(update={"definition": dataset})
    classes = resolve_classes(stage)
    rows = _select(match(records, scan.files, plain_ids=dataset.videos.plain_ids), classes, dataset)
    _check_selected(rows, lists, len(records), classes)
    if sources and (rows["source"] == "").all():
        raise SourceError(_nothing_found(scan, records, dataset, sources, remedy))
    return Inventory(
        rows=rows,
        dataset=dataset,
        classes=classes,
        expected=_expected(stage, dataset, lists),
        stage=stage,
        notes=notes,
        lists=lists,
        sources=tuple(sources),
        extra=_extra(scan, records),
        problems=scan.problems,
    )


def _check_selected(
    rows: pd.DataFrame, lists: dict[str, str], num_records: int, classes: tuple[str, ...]
) -> None:
    """Refuse lists that name no video of the recipe's classes."""
    if rows.empty:
        raise AnnotationError(
            f"{', '.join(lists.values())}: none of the {num_records:,} rows is of the recipe's "
            f"{len(classes)} classes, e.g. '{classes[0]}'."
        )


def _scan(sources: list[str], videos: VideoFiles, remedy: str, archives: ArchiveOptions | None) -> Scan:
    return scan_sources(
        sources,
        videos.suffixes,
        remedy=remedy,
        archives=archives,
        id_is=videos.id,
        image_folders=videos.image_folders,
    )


def _with_found_classes(dataset: DatasetManifest, records: pd.DataFrame) -> DatasetManifest:
    """Give a dataset that lists no classes the ones that its records name, in alphabetical order."""
    if dataset.labels.classes:
        return dataset
    names = records["class"].unique()
    # Numbers keep their order, and stay their own labels where none is missing.
    found = tuple(sorted(names, key=int if all(name.isdecimal() for name in names) else None))
    alike = two_alike(found)
    if alike:
        first, second = (records[records["class"] == name].iloc[0] for name in alike)
        raise AnnotationError(
            f"The classes '{alike[0]}' ({first['file']} {first['place']}) and '{alike[1]}' ({second['file']} "
            f"{second['place']}) differ only in case, blanks or underscores. Give them one name, or "
            "list both under [labels] of a dataset file with names that a person can tell apart."
        )
    labels = dataset.labels.model_copy(update={"classes": found})
    return dataset.model_copy(update={"labels": labels})


def _expected(stage: DatasetStage, dataset: DatasetManifest, lists: dict[str, str]) -> dict[str, int]:
    """Return the published counts; a list whose name tells its release is counted beside that release."""
    expected = expected_counts(stage)
    if not (expected and dataset.releases and stage.release is None) or stage.subset:
        return expected
    of_release = {release.name: release.expected for release in dataset.releases}
    for split, path in lists.items():
        counts = of_release.get(release_of(dataset, Path(path)) or "", {})
        expected |= {split: counts[split]} if split in counts else {}
    return expected


def _local(sources: list[str], dataset: DatasetManifest) -> list[str]:
    local = [source for source in sources if "://" not in source]
    if not local:
        raise AnnotationError(
            f"Where are the annotations of {dataset.title}? Pass --annotations PATH "
            f"({dataset.list_names}, or a folder that holds them)."
        )
    return local


def _with_folders(scan: Scan, dataset: DatasetManifest) -> Scan:
    class_of = class_folders(dataset.labels.classes) if dataset.videos.class_folders else {}
    told = {folder: describe_folder(folder, class_of) for folder in scan.files["folder"].unique()}
    files = scan.files.assign(
        folder_split=scan.files["folder"].map({folder: split for folder, (split, _) in told.items()}),
        folder_class=scan.files["folder"].map({folder: name for folder, (_, name) in told.items()}),
    )
    return replace(scan, files=files.astype({"folder_split": "str", "folder_class": "str"}))


def _select(rows: pd.DataFrame, classes: tuple[str, ...], dataset: DatasetManifest) -> pd.DataFrame:
    """Keep the rows of some classes, with both labels, in an order independent of the file system."""
    rows = rows[rows["class"].isin(classes)]
    codes, names = pd.factorize(rows["class"])  # twice as fast as map() on pandas' own strings
    label_of, label_full_of = {name: label for label, name in enumerate(classes)}, dataset.label_of
    rows = rows.assign(
        label=np.array([label_of[name] for name in names], dtype="int64")[codes],
        label_full=np.array([label_full_of[name] for name in names], dtype="int64")[codes],
    )
    # "train" sorts before "validation"; a stable sort keeps records of one id in the order of their list.
    rows = rows.sort_values(["split", "video_id"], kind="stable", ignore_index=True)
    return rows[[*COLUMNS, *(name for name in MORE_COLUMNS[1:] if name in rows)]]


def _extra(scan: Scan, records: pd.DataFrame) -> dict[str, ExtraVideos]:
    files = scan.files[(scan.files["fault"] == "") & ~_is_annotated(scan.files, records)]
    files = files.drop_duplicates("video_id")
    return {
        str(split): ExtraVideos(len(group), tuple(group["source"].head(_MAX_EXAMPLES)))
        for split, group in files.groupby("folder_split")
    }


def _is_annotated(files: pd.DataFrame, records: pd.DataFrame) -> pd.Series:
    # Four times as fast as isin() on pandas' own strings.
    ids = pd.Index(records["source_id" if "source_id" in records else "video_id"].unique())
    return pd.Series(ids.get_indexer(pd.Index(files["video_id"])) >= 0, index=files.index)


def _nothing_found(
    scan: Scan, records: pd.DataFrame, dataset: DatasetManifest, sources: list[str], remedy: str
) -> str:
    return (
        f"No {dataset.title} videos of the recipe under {', '.join(sources)}. "
        f"Looked for {dataset.videos.where}. "
        f"Found instead: {_found_instead(scan, records)}. {remedy}"
    )


def _found_instead(scan: Scan, records: pd.DataFrame) -> str:
    files, parts = scan.files, []
    annotated = _is_annotated(files, records)
    groups = {
        "unusable video{s}": files["fault"] != "",
        "video{s} of other classes": (files["fault"] == "") & annotated,
        "video{s} that the annotation does not name": (files["fault"] == "") & ~annotated,
    }
    for what, chosen in groups.items():
        if chosen.any():
            example = files[chosen]["source"].iloc[0]
            parts.append(f"{_count(int(chosen.sum()), what)} (e.g. {example})")
    common = sorted(scan.others.items(), key=lambda item: (-item[1], item[0]))
    parts += [_count(number, f"{suffix} file{{s}}") for suffix, number in common[:4]]
    return ", ".join(parts) or "nothing"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what.replace('{s}', '' if number == 1 else 's')}"
