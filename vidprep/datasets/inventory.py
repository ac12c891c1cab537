"""The inventory: every annotated video of a recipe's classes, with what became of it before the build."""

from dataclasses import dataclass, field

import pandas as pd

from vidprep.datasets.annotations import read_annotations
from vidprep.datasets.folders import class_folders, describe_folder
from vidprep.datasets.formats import FORMATS
from vidprep.datasets.matching import match
from vidprep.datasets.scan import Scan, check_sources, scan_sources
from vidprep.errors import AnnotationError, SourceError
from vidprep.recipes.classes import expected_counts, resolve_classes
from vidprep.recipes.manifests import DatasetManifest, read_dataset
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
        num_videos: How many.
        examples: The first few paths.
    """

    num_videos: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Inventory:
    """Who is in the dataset, and which file is whose.

    Attributes:
        rows: A row of `COLUMNS` per annotated video of the classes, sorted by split (train first) and id.
            `label` is the index in `classes`, `label_full` the one in the full dataset; `reason` is a
            word of `vidprep.shards.ledger.REASONS` or ""; `source` is a path below `source_dir`, and both
            are "" where no file is.
        dataset: The full dataset.
        classes: Names in label order.
        expected: Table A's count per split; empty when the table does not count these classes.
        lists: The annotation file of each split that has one.
        sources: The source folders as given; without any, no video was looked for.
        extra: Videos that are annotated nowhere, per split folder; "" where no folder tells the split.
    """

    rows: pd.DataFrame
    dataset: DatasetManifest
    classes: tuple[str, ...]
    expected: dict[str, int]
    lists: dict[str, str]
    sources: tuple[str, ...] = ()
    extra: dict[str, ExtraVideos] = field(default_factory=dict)


def take_inventory(stage: DatasetStage, sources: list[str], annotations: list[str]) -> Inventory:
    """Read the annotation, scan the source folders, and match the two.

    Args:
        stage: The dataset and its classes.
        sources: Folders of raw videos; a later one fills gaps of the earlier ones. None: only the
            annotation is checked, and every good record is missing.
        annotations: Files or folders. None: they are looked for in the source folders.

    Raises:
        RecipeError: If the recipe's classes are wrong.
        AnnotationError: If a list is missing, wrong or malformed.
        SourceError: If a source folder is missing, or none of the videos is in any.
    """
    dataset, classes = read_dataset(stage.name), resolve_classes(stage)
    remedy = f"Pass --source DIR or set VIDPREP_{dataset.name.upper()}."
    check_sources(sources, remedy=remedy)
    records, lists = read_annotations(dataset, annotations or _local(sources, dataset))
    scan = _with_folders(scan_sources(sources, FORMATS[dataset.name].video_suffixes, remedy=remedy), dataset)
    rows = _select(match(records, scan.files), classes, dataset)
    if rows.empty:
        raise AnnotationError(
            f"{', '.join(lists.values())}: none of the {len(records):,} rows is of the recipe's "
            f"{len(classes)} classes, e.g. '{classes[0]}'."
        )
    if sources and (rows["source"] == "").all():
        raise SourceError(_nothing_found(scan, records, dataset, sources, remedy))
    return Inventory(
        rows=rows,
        dataset=dataset,
        classes=classes,
        expected=expected_counts(stage),
        lists=lists,
        sources=tuple(sources),
        extra=_extra(scan, records),
    )


def _local(sources: list[str], dataset: DatasetManifest) -> list[str]:
    local = [source for source in sources if "://" not in source]
    if not local:
        raise AnnotationError(
            f"Where are the annotations of {dataset.title}? Pass --annotations PATH "
            f"({FORMATS[dataset.name].list_names}, or a folder that holds them)."
        )
    return local


def _with_folders(scan: Scan, dataset: DatasetManifest) -> Scan:
    has_class_folders = FORMATS[dataset.name].has_class_folders
    class_of = class_folders(dataset.labels.classes) if has_class_folders else {}
    told = {folder: describe_folder(folder, class_of) for folder in scan.files["folder"].unique()}
    files = scan.files.assign(
        folder_split=scan.files["folder"].map({folder: split for folder, (split, _) in told.items()}),
        folder_class=scan.files["folder"].map({folder: name for folder, (_, name) in told.items()}),
    )
    return Scan(files.astype({"folder_split": "str", "folder_class": "str"}), scan.others)


def _select(rows: pd.DataFrame, classes: tuple[str, ...], dataset: DatasetManifest) -> pd.DataFrame:
    """Keep the rows of some classes, with both labels, in an order that no file system decides."""
    rows = rows[rows["class"].isin(classes)]
    rows = rows.assign(
        label=rows["class"].map({name: label for label, name in enumerate(classes)}).astype("int64"),
        label_full=rows["class"].map(dataset.label_of).astype("int64"),
    )
    # "train" sorts before "validation"; a stable sort keeps records of one id in the order of their list.
    rows = rows.sort_values(["split", "video_id"], kind="stable", ignore_index=True)
    return rows[list(COLUMNS)]


def _extra(scan: Scan, records: pd.DataFrame) -> dict[str, ExtraVideos]:
    files = scan.files[(scan.files["fault"] == "") & ~_is_annotated(scan.files, records)]
    files = files.drop_duplicates("video_id")
    return {
        str(split): ExtraVideos(len(group), tuple(group["source"].head(_MAX_EXAMPLES)))
        for split, group in files.groupby("folder_split")
    }


def _is_annotated(files: pd.DataFrame, records: pd.DataFrame) -> pd.Series:
    # Four times as fast as isin() on pandas' own strings.
    ids = pd.Index(records["video_id"].unique())
    return pd.Series(ids.get_indexer(pd.Index(files["video_id"])) >= 0, index=files.index)


def _nothing_found(
    scan: Scan, records: pd.DataFrame, dataset: DatasetManifest, sources: list[str], remedy: str
) -> str:
    return (
        f"No {dataset.title} videos of the recipe under {', '.join(sources)}. "
        f"Looked for {FORMATS[dataset.name].video_paths}. "
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
