"""Find and read the facts about datasets and subsets, and class lists of your own."""

import functools
import hashlib
import re
from pathlib import Path

from pydantic import Field

from vidprep.errors import RecipeError
from vidprep.recipes.dataset_file import DatasetManifest, Labels
from vidprep.recipes.resources import resource_dir, resource_names
from vidprep.recipes.toml_models import Frozen, nearest, read_toml, validate

SPLITS = ("train", "validation")


class SubsetManifest(Frozen):
    """Some classes of a dataset with all of their videos; labels are ranks in alphabetical order."""

    name: str
    title: str
    dataset: str
    source: str
    expected: dict[str, int] = Field(default_factory=dict)
    labels: Labels


def class_list_hash(classes: list[str] | tuple[str, ...]) -> str:
    """Return the sha256 of class names in label order: two shard sets mix only if theirs are equal."""
    return hashlib.sha256("\n".join(classes).encode()).hexdigest()


@functools.cache
def _known_names() -> tuple[str, ...]:
    return tuple(name for name in resource_names("manifests") if not _is_subset(name))


def dataset_names() -> list[str]:
    """Return the names of the known full datasets."""
    return list(_known_names())


@functools.cache
def read_dataset(name: str) -> DatasetManifest:
    """Read the facts about a full dataset.

    Raises:
        RecipeError: If there is none of that name.
    """
    if name not in dataset_names():
        raise RecipeError(
            f"Unknown dataset '{name}'.{nearest(name, dataset_names())} Known: {', '.join(dataset_names())}."
        )
    return read_dataset_file(resource_dir("manifests") / f"{name}.toml")


def read_dataset_file(path: Path) -> DatasetManifest:
    """Read a dataset file.

    Raises:
        RecipeError: If it is missing, or a key or value of it is wrong.
    """
    if not path.is_file():
        raise RecipeError(f"No dataset file at {path}. `vidprep init NAME` writes one to start from.")
    values = read_toml(path)
    labels = values.get("labels")
    if isinstance(labels, dict) and isinstance(labels.get("file"), str) and labels["file"]:
        labels["classes"] = read_labels_file(path.parent / labels["file"])
    return validate(DatasetManifest, values, origin=str(path), text=path.read_text(encoding="utf-8"))


def read_labels_file(path: Path) -> list[str]:
    """Read class names in label order: one a line, or "number name".

    Raises:
        RecipeError: If it cannot be read, names nothing, or its numbers are not in order.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"{path}: not a labels file: {error}. Write one class name a line, in UTF-8."
        ) from error
    if not lines:
        raise RecipeError(f"{path}: no class names. Write one class name a line, in label order.")
    numbered = [re.fullmatch(r"(\d+)\s+(.+)", line) for line in lines]
    if not all(numbered):
        return lines
    pairs = [(int(found[1]), found[2]) for found in numbered if found]
    first = pairs[0][0]
    for place, (number, name) in enumerate(pairs):
        if number != first + place:
            raise RecipeError(
                f"{path}: line {place + 1}: '{name}' has the number {number}, {first + place} comes next. "
                "Put the classes into the order of their numbers."
            )
    return [name for _, name in pairs]


def subset_names(dataset: str) -> list[str]:
    """Return the names of the subsets of `dataset` that come with vidprep."""
    names = [name for name in resource_names("manifests") if _is_subset(name)]
    return [name for name in names if read_subset(name).dataset == dataset]


def read_subset(name: str) -> SubsetManifest:
    """Read the facts about a subset.

    Raises:
        RecipeError: If there is none of that name.
    """
    path = resource_dir("manifests") / f"{name}.toml"
    if not path.is_file() or not _is_subset(name):
        known = [n for n in resource_names("manifests") if _is_subset(n)]
        raise RecipeError(f"Unknown subset '{name}'.{nearest(name, known)} Known: {', '.join(known)}.")
    text = path.read_text(encoding="utf-8")
    return validate(SubsetManifest, read_toml(path), origin=str(path), text=text)


def read_class_list(path: Path, dataset: DatasetManifest) -> SubsetManifest:
    """Read a subset of your own: a text file with one class name a line; blank lines do not count.

    The subset is named after the file and its classes are put into alphabetical order, like every subset's.

    Raises:
        RecipeError: If the file is missing or empty, names a class twice or one that the dataset lacks, or
            carries the name of another subset.
    """
    if not path.is_file():
        raise RecipeError(f"No class list at {path}. It is a text file with one class name a line.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Convert it."
        ) from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise RecipeError(f"{path}: no class names. Write one class name of {dataset.title} a line.")
    check_classes(names, dataset, origin=str(path))
    subset = SubsetManifest(
        name=_name_after(path),
        title=f"{dataset.title}, the {len(names)} classes of {path.name}",
        dataset=dataset.name,
        source=path.name,
        labels=Labels(classes=tuple(sorted(names))),
    )
    _check_name_is_free(subset, path)
    return subset


def check_classes(names: list[str], dataset: DatasetManifest, *, origin: str) -> None:
    """Make sure that class names are ones of `dataset`, each named once.

    Raises:
        RecipeError: If one is not; the message starts with `origin`.
    """
    for line, name in enumerate(names, start=1):
        if name not in dataset.label_of:
            hint = nearest(name, list(dataset.labels.classes))
            raise RecipeError(f"{origin}: name {line}: {dataset.title} has no class '{name}'.{hint}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"{origin}: class '{twice[0]}' is listed twice.")


def _name_after(path: Path) -> str:
    """Return a file's name as the name of a subset: small letters, digits and underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")[:40]
    if not name:
        raise RecipeError(f"{path}: the subset is named after the file; give it a name with letters.")
    return name


def _check_name_is_free(subset: SubsetManifest, path: Path) -> None:
    """Refuse to let another class list pass for a published one, e.g. Xie et al.'s Mini-Kinetics-200."""
    if subset.name not in resource_names("manifests"):
        return
    if not _is_subset(subset.name):
        raise RecipeError(f"{path}: '{subset.name}' is the name of a dataset. Rename the file.")
    published = read_subset(subset.name)
    shared = len(set(published.labels.classes) & set(subset.labels.classes))
    if published.labels != subset.labels:
        raise RecipeError(
            f"{path}: '{subset.name}' is the name of the {len(published.labels.classes)} classes of "
            f"{published.title}; this list shares {shared} of them. "
            "Rename the file to build it as a subset of its own."
        )


@functools.cache
def _is_subset(name: str) -> bool:
    return "dataset" in read_toml(resource_dir("manifests") / f"{name}.toml")
