"""Your own videos without a file: a folder a class, or a list of paths and labels, as a recipe."""

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from vidprep.errors import RecipeError
from vidprep.recipes.dataset_file import AnnotationList, DatasetManifest, VideoFiles
from vidprep.recipes.manifests import read_dataset_file
from vidprep.recipes.mini import resolve_recipe
from vidprep.recipes.pipelines import override_recipe
from vidprep.recipes.recipe import DatasetStage, Recipe
from vidprep.recipes.resources import resource_names

_SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "",
}
# Patterns of lists whose name tells the split, then of any other list.
_NAMES = {
    "train": r"(?i)(?:.*[^a-z])?train(?:[^a-z].*)?\.(?:csv|txt)",
    "validation": r"(?i)(?:.*[^a-z])?(?:val|valid|validation)(?:[^a-z].*)?\.(?:csv|txt)",
    "": r"(?i).*\.(?:csv|txt)",
}


class VideoChoice(TypedDict, total=False):
    """Which videos are meant: the keywords of `choose_videos`, for functions that pass them on."""

    sources: Sequence[str | Path]
    annotations: Sequence[str | Path]
    class_list: Path | None
    overrides: Sequence[str]
    dataset: Path | str | None
    from_folders: Path | str | None
    from_csv: Sequence[Path | str]
    root: Path | str | None
    val_fraction: float
    val_seed: int


@dataclass(frozen=True)
class ChosenVideos:
    """Which videos are meant, and the recipe by which they are stored.

    Attributes:
        recipe: The recipe; it names or describes the dataset.
        sources: Folders of raw videos; if there are none, the default folders of the dataset are meant.
        annotations: Annotation lists; if there are none, they are looked for in the sources, or the folders
            are the classes.
    """

    recipe: Recipe
    sources: list[str]
    annotations: list[str]


def choose_videos(
    recipe: Recipe | Path | str | None = None,
    *,
    sources: Sequence[str | Path] = (),
    annotations: Sequence[str | Path] = (),
    class_list: Path | None = None,
    overrides: Sequence[str] = (),
    dataset: Path | str | None = None,
    from_folders: Path | str | None = None,
    from_csv: Sequence[Path | str] = (),
    root: Path | str | None = None,
    val_fraction: float = 0.1,
    val_seed: int = 0,
) -> ChosenVideos:
    """Say which videos are meant, and how they are stored; see `vidprep.build`.

    Raises:
        RecipeError: If videos are named in no way or in several ways, or a pipeline, dataset or setting is
            wrong.
    """
    lists = [Path(path) for path in from_csv]
    base = None if recipe is None else resolve_recipe(recipe)
    if from_folders is not None or lists or root is not None:
        if sources or annotations or class_list or dataset:
            raise RecipeError(
                "--from-folders and --from-csv say which videos there are: leave out --source, "
                "--annotations, --class-list and --dataset."
            )
        folders, below = (None if path is None else Path(path) for path in (from_folders, root))
        described = _describe_own(folders, lists, below, val_fraction=val_fraction, val_seed=val_seed)
        own = recipe_of(described, base).model_copy(update={"name": described.name, "title": described.title})
        source = str(folders or below)
        if overrides:
            own = override_recipe(own, list(overrides), origin=f"the recipe of {source}")
        return ChosenVideos(own, [source], [str(path) for path in lists])
    if dataset is not None:
        base = recipe_of(Path(dataset), base)
    if base is None:
        raise RecipeError(
            "Which videos? Give a pipeline (see `vidprep pipelines`), --dataset FILE, --from-folders DIR, or "
            "--from-csv FILE with --root DIR."
        )
    resolved = resolve_recipe(base, class_list=class_list, overrides=overrides)
    return ChosenVideos(resolved, [str(path) for path in sources], [str(path) for path in annotations])


def _describe_own(
    from_folders: Path | None, from_csv: list[Path], root: Path | None, *, val_fraction: float, val_seed: int
) -> DatasetManifest:
    """Describe your own videos as a dataset file would."""
    if (from_folders is None) == (not from_csv):
        raise RecipeError("Give one of the two: --from-folders DIR, or --from-csv FILE with --root DIR.")
    if from_csv and root is None:
        raise RecipeError("--from-csv needs --root DIR, the folder that its paths are below.")
    if not 0 <= val_fraction < 1:
        raise RecipeError(f"--val-fraction must be at least 0 and less than 1, got {val_fraction:g}.")
    source = from_folders or root
    assert source is not None
    named_after = from_folders or from_csv[0]
    return DatasetManifest(
        name=_name_after(named_after),
        title=named_after.name,
        source=f"the videos of {source.name}",
        val_fraction=val_fraction,
        val_seed=val_seed,
        list_names="a list of paths and labels",
        lists=(_folders(),) if from_folders else _rules_of(from_csv),
        videos=VideoFiles(id="path", where="the paths of the list" if from_csv else "<class>/<video>"),
    )


def recipe_of(dataset: DatasetManifest | Path, recipe: Recipe | None = None) -> Recipe:
    """Return a recipe for a dataset that is not in `manifests/`.

    Args:
        dataset: The dataset, or the path of its file.
        recipe: A recipe from which everything but the dataset is taken; None: the defaults under its name.

    Raises:
        RecipeError: If the dataset file is missing or wrong.
    """
    found = read_dataset_file(dataset) if isinstance(dataset, Path) else dataset
    stage = DatasetStage(name=found.name, definition=found)
    if recipe is None:
        return Recipe(name=found.name, title=found.title, dataset=stage)
    return recipe.model_copy(update={"dataset": stage})


def _folders() -> AnnotationList:
    return AnnotationList(file=".*", form="folders")


def _rules_of(lists: Sequence[Path]) -> tuple[AnnotationList, ...]:
    header = _header(lists[0])
    if header:
        optional = tuple(name for name in ("split", "start", "end") if name in header)
        if ("start" in optional) != ("end" in optional):
            raise RecipeError(f"{lists[0]}: line 1: 'start' and 'end' go together, got '{','.join(header)}'.")
        times = {"video": "{path}", "start": "start", "end": "end"} if "start" in optional else {}
        split = {"split_column": "split", "split_values": _SPLITS} if "split" in optional else {}
        known = {"form": "csv", "any_order": True, "columns": ("path", "label", *optional)} | times | split
    else:
        known = {"form": "lines", "columns": ("path", "label")}
    values = {"id": "{path}", **known}
    names = {"": _NAMES[""]} if "split_column" in known else _NAMES
    rules = [{"file": name, "split": split, **values} for split, name in names.items()]
    return tuple(AnnotationList.model_validate(rule) for rule in rules)


def _header(path: Path) -> list[str]:
    """Return the columns of a list that begins with their names; [] for "path label" lines."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            first = next(csv.reader([file.readline()]), [])
    except OSError as error:
        raise RecipeError(f"No list at {path}: {error.strerror}.") from error
    names = [name.strip() for name in first]
    if {"path", "label"} <= set(names):
        return names
    if len(names) > 1:
        raise RecipeError(
            f"{path}: line 1: the header must name path and label, and may name split, start and end; "
            f"got '{','.join(names)[:100]}'. Without a header lines are: a path, a blank, a label."
        )
    return []


def _name_after(path: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", path.absolute().stem.lower()).strip("_")[:37] or "own"
    return f"my_{name}" if name in resource_names("manifests") else name


def write_templates(name: str, folder: Path) -> tuple[Path, Path]:
    """Write a commented dataset file and a pipeline file that names it; no file is overwritten.

    Raises:
        RecipeError: If the name is invalid or that of a known dataset, or one of the files exists.
    """
    dataset_path, pipeline_path = folder / f"{name}_dataset.toml", folder / f"{name}.toml"
    _check_new(name, dataset_path, pipeline_path)
    folder.mkdir(parents=True, exist_ok=True)
    _write_template("own_dataset", dataset_path, NAME=name)
    _write_template("own_pipeline", pipeline_path, DATASET_FILE=dataset_path.name, NAME=name)
    return dataset_path, pipeline_path


def write_pipeline_template(name: str, folder: Path, dataset: Path) -> Path:
    """Write a commented pipeline file for a dataset file that is there already.

    Raises:
        RecipeError: As `write_templates`, or if the dataset file is missing or wrong.
    """
    read_dataset_file(dataset)
    path = folder / f"{name}.toml"
    _check_new(name, path)
    folder.mkdir(parents=True, exist_ok=True)
    named = Path(os.path.relpath(dataset.absolute(), folder.absolute())).as_posix()
    _write_template("own_pipeline", path, DATASET_FILE=named, NAME=name)
    return path


def _check_new(name: str, *paths: Path) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]{0,39}", name):
        raise RecipeError(f"'{name}': a name has small letters, digits and underscores, at most 40.")
    if name in resource_names("manifests"):
        raise RecipeError(
            f"'{name}' comes with vidprep, see `vidprep datasets show {name}`. Choose another name."
        )
    for path in paths:
        if path.exists():
            raise RecipeError(f"{path} is there already. Choose another name, or remove it.")


def _write_template(template: str, path: Path, **words: str) -> None:
    text = (Path(__file__).parent / f"{template}.toml").read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    path.write_text(text, encoding="utf-8")
