"""Finds the folders to report on: shard sets, runs, evaluations, analyses."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from vidprep.errors import ReportError
from vidprep.harness.evaluation.results import EPOCHS, RESULTS
from vidprep.harness.run_folder import FACTS, METRICS, RECIPE
from vidprep.links import link_problem
from vidprep.shards.layout import INDEX

Kind = Literal["shards", "run", "evaluation", "analysis"]

ANALYSIS_SUMMARIES = ("summary.json", "erf.json", "growth.json")

# Files that tell the kind of a folder; it may be of several kinds at once, e.g. a run with its evaluation.
SIGNS: dict[Kind, tuple[str, ...]] = {
    "shards": (INDEX,),
    "run": (FACTS, METRICS),
    "evaluation": (RESULTS,),
    "analysis": ANALYSIS_SUMMARIES,
}
# What a page shows of other folders than shard sets.
_SHOWN = {".json", ".jsonl", ".toml", ".csv", ".parquet", ".png"}
MAX_DEPTH = 4
MAX_FOLDERS = 5000


class Subject(NamedTuple):
    """A folder, its kind, and a name that tells it from the others of a page.

    For a shard set in a store, `path` is a local copy of its small files, and the videos are read from `url`.
    """

    kind: Kind
    path: Path
    name: str
    url: str = ""


def find_subjects(paths: Sequence[Path]) -> list[Subject]:
    """Return the folders to report on: the given ones, and those in them, at most `MAX_DEPTH` levels down.

    Folders inside such a folder are looked at, too: an evaluation may lie in its run's folder. Links to
    folders are not followed: they may lead round in a circle, or to a whole disk.

    Raises:
        ReportError: If a folder does not exist, holds too many folders, or has nothing to report on.
    """
    found: dict[tuple[Kind, Path], Path] = {}
    for path in paths:
        here = list(_look_through(path))
        if not here:
            raise ReportError(_nothing_in(path))
        for kind, folder in here:  # two arguments may name the same folder by different paths
            found.setdefault((kind, folder.resolve()), folder)
    names = _short_names(list(found.values()))
    return [
        Subject(kind, path, names[path])
        for kind in SIGNS
        for (each, _), path in found.items()
        if each == kind
    ]


def find_link_out(subject: Subject) -> str | None:
    """Return a message if a file that the page would show is a link to a file outside its folder, else None.

    Shard sets are checked where they are read.
    """
    names = sorted(path.name for path in subject.path.iterdir() if path.suffix in _SHOWN)
    problems = (link_problem(subject.path, name) for name in names)
    return next((problem for problem in problems if problem), None)


def _look_through(root: Path) -> Iterator[tuple[Kind, Path]]:
    if not root.is_dir():
        what = f"{root} is a file" if root.exists() else f"No folder {root}"
        raise ReportError(f"{what}. Name the folder of a shard set, a run, an evaluation or an analysis.")
    waiting, seen = deque([(root, 0)]), 0
    while waiting:
        folder, depth = waiting.popleft()
        seen += 1
        if seen > MAX_FOLDERS:
            raise ReportError(f"{root} holds more than {MAX_FOLDERS:,} folders. Name the ones to report on.")
        kinds = [kind for kind, names in SIGNS.items() if any((folder / name).is_file() for name in names)]
        yield from ((kind, folder) for kind in kinds)
        if depth < MAX_DEPTH and "shards" not in kinds:  # the folders of a shard set hold tars
            not_looked_into = {EPOCHS} if "evaluation" in kinds else set()  # one evaluation for each epoch
            inside = (
                path
                for path in folder.iterdir()
                if not path.name.startswith(".") and path.name not in not_looked_into
            )
            waiting += [
                (path, depth + 1) for path in sorted(inside) if path.is_dir() and not path.is_symlink()
            ]


def _nothing_in(path: Path) -> str:
    recipe_only = (
        f" It holds {RECIPE} but no {FACTS}: the run has not begun." if (path / RECIPE).is_file() else ""
    )
    return (
        f"{path}: nothing to report on.{recipe_only} Looked, down to {MAX_DEPTH} folders deep, links to "
        f"folders left out, for a shard set ({INDEX}), a run ({FACTS} or {METRICS}), an evaluation "
        f"({RESULTS}) and an analysis ({', '.join(ANALYSIS_SUMMARIES)})."
    )


def _short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the shortest ending of each path that tells it from the others."""
    distinct = list(dict.fromkeys(paths))
    parts = {path: path.absolute().parts for path in distinct}
    for length in range(1, max(map(len, parts.values())) + 1):
        names = {path: "/".join(each[-length:]) for path, each in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {path: str(path) for path in distinct}
