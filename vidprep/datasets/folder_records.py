"""Annotation records of a dataset that has a folder for each class instead of lists."""

from pathlib import Path, PurePosixPath

import pandas as pd

from vidprep.datasets.annotations import assign_splits
from vidprep.datasets.folders import describe_folder
from vidprep.datasets.list_records import ASSIGNED_LATER
from vidprep.datasets.scan import Scan
from vidprep.errors import SourceError
from vidprep.recipes.dataset_file import DatasetManifest
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.toml_models import nearest

_MAX_NAMED = 5  # folders in a message


def is_made_of_folders(dataset: DatasetManifest) -> bool:
    """Tell whether the folders of videos are the annotation."""
    return any(rule.form == "folders" for rule in dataset.lists)


def folder_records(
    scan: Scan, dataset: DatasetManifest, sources: list[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return a record of each video, and where the records of each split come from.

    The folder that a video lies in is its class; a folder above it that is named train, val or test is
    its split. Without one, a hash of the id decides.

    Raises:
        SourceError: If there are no class folders, a class folder holds no video, or only some of the videos
            lie in split folders.
    """
    rows, unsorted_files = [], []
    for source, folder, video_id in scan.files[["source", "folder", "video_id"]].itertuples(index=False):
        name = PurePosixPath(folder).name
        above, below = describe_folder(str(PurePosixPath(folder).parent), {})[0], describe_folder(name, {})[0]
        if not folder or (below and not above):
            unsorted_files.append(source)
            continue
        rows.append((above or ASSIGNED_LATER, video_id, name, "video", source))
    where = ", ".join(sources)
    if not rows:
        example = f" Found {unsorted_files[0]} outside of any." if unsorted_files else ""
        raise SourceError(
            f"No class folders with videos under {where}. Looked for <class>/<video>, "
            f"train/<class>/<video> and val/<class>/<video> with the suffixes "
            f"{' '.join(dataset.videos.suffixes)}.{example}"
        )
    if unsorted_files:
        raise SourceError(
            f"{where}: {unsorted_files[0]} lies in no class folder ({len(unsorted_files):,} such videos). "
            "Move each video into the folder of its class."
        )
    _refuse_empty_classes(sources, {row[2] for row in rows})
    records = pd.DataFrame(rows, columns=["split", "video_id", "class", "file", "place"], dtype="str")
    _refuse_half_split(records, where)
    records = _without_test(records)
    _refuse_other_classes(records, dataset, where)
    records = assign_splits(records, dataset)
    return records, {split: where for split in SPLITS if (records["split"] == split).any()}


def _refuse_other_classes(records: pd.DataFrame, dataset: DatasetManifest, where: str) -> None:
    """Refuse a folder that is no class of a dataset whose classes are known: its videos would be lost."""
    known = dataset.labels.classes
    others = records[~records["class"].isin(known)]
    if not known or others.empty:
        return
    counts = others["class"].value_counts().sort_index()
    named = ", ".join(f"'{name}' ({count:,})" for name, count in counts.head(_MAX_NAMED).items())
    more = f", and {len(counts) - _MAX_NAMED:,} more" if len(counts) > _MAX_NAMED else ""
    raise SourceError(
        f"{where}: folders that are none of the {len(known):,} classes of {dataset.title}, with so many "
        f"videos: {named}{more}, e.g. {others['place'].iloc[0]}.{nearest(counts.index[0], list(known))} The "
        "classes of a finished set stay as they are: build into a new folder without --extend, or move these "
        "folders elsewhere."
    )


def _without_test(records: pd.DataFrame) -> pd.DataFrame:
    """Use test folders as validation; if there are validation folders, leave them out."""
    is_test = records["split"] == "test"
    if (records["split"] == "validation").any():
        return records[~is_test].reset_index(drop=True)
    return records.assign(split=records["split"].mask(is_test, "validation"))


def _refuse_half_split(records: pd.DataFrame, where: str) -> None:
    unassigned = records["split"] == ASSIGNED_LATER
    if unassigned.any() and not unassigned.all():
        raise SourceError(
            f"{where}: {records[unassigned]['place'].iloc[0]} lies in no split folder, "
            f"{records[~unassigned]['place'].iloc[0]} does. "
            "Put all class folders under train/ and val/, or none."
        )


def _refuse_empty_classes(sources: list[str], classes: set[str]) -> None:
    """Refuse a folder that should be a class and holds no video: a wrong suffix would lose it silently."""
    for source in sources:
        if "://" in source:
            continue
        for folder in sorted(path for path in Path(source).rglob("*") if path.is_dir()):
            is_leaf = not any(path.is_dir() for path in folder.iterdir())
            hidden = any(part.startswith(".") for part in folder.relative_to(source).parts)
            if is_leaf and not hidden and folder.name not in classes:
                what = sorted(path.name for path in folder.iterdir())
                raise SourceError(
                    f"The class folder {folder} holds no video{f' (it has {what[0]})' if what else ''}. "
                    "Fill it or remove it."
                )
