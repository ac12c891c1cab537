"""Write an index.parquet for a folder of third-party tars."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vidprep.errors import ShardError
from vidprep.shards.index import write_index
from vidprep.shards.layout import INDEX, MANIFEST
from vidprep.shards.third_party.splits import read_split_rule
from vidprep.shards.third_party.tars import NO_LABEL, TarIndex, find_tars, index_tar
from vidprep.worker_pool import map_in_processes

Row = dict[str, object]


@dataclass(frozen=True)
class Indexed:
    """What was found in third-party tars.

    Attributes:
        index_path: Path of the index that was written.
        num_videos: Videos in it, by split.
        num_tars: Tars that were read.
        num_unlabelled: Videos without a label; they get -1.
        left_out: Samples that are not in the index: the reason by key.
    """

    index_path: Path
    num_videos: dict[str, int]
    num_tars: int
    num_unlabelled: int
    left_out: dict[str, str]


def index_tars(
    directory: Path | str,
    *,
    num_workers: int | None = None,
    on_tar: Callable[[int, int], object] = lambda done, total: None,
) -> Indexed:
    """Decode the videos of third-party tars, once, and write an index.parquet beside them.

    Loaders, verify, report, train, eval and passport then take the folder like a shard set. The split of a
    tar is the one in Energon's `.nv-meta/split.yaml`, else the word that its name begins with
    (`train-00000-of-00010.tar`), else its folder's name, else `train`. The label is the number or the name in
    the `cls` member, else `label` of the `json` member, else -1; names are numbered in alphabetical order.

    Args:
        directory: Folder with the tars, at any depth.
        num_workers: Number of processes that decode; None: one per core, 0: this process.
        on_tar: Called after each tar with how many are done, and how many there are.

    Raises:
        ShardError: If there are no tars, a file is no tar, some labels are numbers and others names, or the
            folder is a shard set that vidprep made.
    """
    directory = Path(directory)
    if (directory / MANIFEST).exists():
        raise ShardError(
            f"{directory} is a shard set that vidprep made, with its index. Nothing was changed."
        )
    rule = read_split_rule(directory)
    named = [(path, rule.split_of(path.relative_to(directory).as_posix())) for path in find_tars(directory)]
    tasks = [(path, split) for path, split in named if split is not None]
    found: list[TarIndex] = []
    run = partial(_index_one, directory=directory)
    parts = map(run, tasks) if num_workers == 0 else map_in_processes(run, tasks, num_workers)
    for part in parts:
        found.append(part)
        on_tar(len(found), len(tasks))
    rows = _ordered(numbered(unique_keys([row for part in found for row in part.rows])))
    write_index(rows, directory / INDEX, checksums=True)
    splits = [str(row["split"]) for row in rows]
    return Indexed(
        directory / INDEX,
        {split: splits.count(split) for split in sorted(set(splits))},
        len(tasks),
        sum(row["label"] == NO_LABEL for row in rows),
        {key: reason for part in found for key, reason in part.rejected.items()},
    )


def _index_one(task: tuple[Path, str], directory: Path) -> TarIndex:
    return index_tar(task[0], directory, split=task[1])


def _ordered(rows: list[Row]) -> list[Row]:
    """Return rows ordered by split; the order within a split stays."""
    return sorted(rows, key=lambda row: str(row["split"]))


def unique_keys(rows: list[Row]) -> list[Row]:
    """Return rows with unique keys: where tars repeat a key, the tar's name is put in front."""
    if len({row["key"] for row in rows}) == len(rows):
        return rows
    return [row | {"key": f"{str(row['shard']).removesuffix('.tar')}/{row['key']}"} for row in rows]


def numbered(rows: list[Row]) -> list[Row]:
    """Return rows whose labels are numbers; names are numbered in alphabetical order.

    Raises:
        ShardError: If some samples have a number and others a name.
    """
    named = [row for row in rows if row["label"] == NO_LABEL and row["class"]]
    if not named:
        return rows
    with_number = next((row for row in rows if row["label"] != NO_LABEL), None)
    if with_number:
        raise ShardError(
            f"{with_number['shard']}: {with_number['key']} has the label {with_number['label']}, "
            f"{named[0]['shard']}: {named[0]['key']} the label {str(named[0]['class'])!r}. "
            "Give all of them numbers, or all of them names."
        )
    number_of = {name: number for number, name in enumerate(sorted({str(row["class"]) for row in named}))}
    return [row | {"label": number_of.get(str(row["class"]), NO_LABEL)} for row in rows]
