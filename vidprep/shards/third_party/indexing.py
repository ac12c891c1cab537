"""An index.parquet for a folder of third-party tars."""

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
        index_path: The index that was written.
        num_videos: In it, by split.
        num_tars: Tars that were read.
        num_unlabelled: Videos without a label; theirs is -1.
        left_out: Why, by key, a sample is not in the index.
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

    Then loaders, verify, report, train, eval and passport take the folder like a shard set. The split of a
    tar is the one that Energon's `.nv-meta/split.yaml` says, else a word that its name begins with
    (`train-00000-of-00010.tar`), else its folder, else `train`. The label is the number or the name in a
    `cls` member, else `label` of a `json` member, else -1; names are numbered in the order of the alphabet.

    Args:
        directory: The tars are in it and below.
        num_workers: Processes that decode; None: one per core, 0: this one.
        on_tar: Called after each tar with how many are done, and how many there are.

    Raises:
        ShardError: If there are no tars, one is none, labels are numbers here and names there, or the folder
            is a shard set that vidprep made.
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
    """Return rows split by split; the order in each stays."""
    return sorted(rows, key=lambda row: str(row["split"]))


def unique_keys(rows: list[Row]) -> list[Row]:
    """Return rows with keys that are unique: where tars repeat them, the tar's name stands in front."""
    if len({row["key"] for row in rows}) == len(rows):
        return rows
    return [row | {"key": f"{str(row['shard']).removesuffix('.tar')}/{row['key']}"} for row in rows]


def numbered(rows: list[Row]) -> list[Row]:
    """Return rows whose labels are numbers: where they are names, those are counted through in order.

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
