"""Facts about datasets and subsets: class names in label order, expected counts, mirror-image classes."""

import hashlib
import re
from functools import cached_property
from pathlib import Path

from pydantic import Field

from vidprep.errors import RecipeError
from vidprep.recipes.resources import resource_dir, resource_names
from vidprep.recipes.toml_models import Frozen, nearest, read_toml, validate

SPLITS = ("train", "validation")


class FlipPartners(Frozen):
    """Two classes that a horizontal flip turns into each other."""

    classes: tuple[str, str]


class Labels(Frozen):
    """Class names in label order: the index of a name is its label."""

    classes: tuple[str, ...] = Field(min_length=1)


class DatasetManifest(Frozen):
    """A full dataset, as `manifests/<name>.toml` states it."""

    name: str
    title: str
    source: str
    expected: dict[str, int]
    flip_partners: tuple[FlipPartners, ...] = ()
    labels: Labels

    @cached_property
    def label_of(self) -> dict[str, int]:
        """Map a class name to its index in the official order."""
        return {name: index for index, name in enumerate(self.labels.classes)}


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


def dataset_names() -> list[str]:
    """Return the names of the known full datasets."""
    return [name for name in resource_names("manifests") if not _is_subset(name)]


def read_dataset(name: str) -> DatasetManifest:
    """Read the facts about a full dataset.

    Raises:
        RecipeError: If there is none of that name.
    """
    if name not in dataset_names():
        raise RecipeError(
            f"Unknown dataset '{name}'.{nearest(name, dataset_names())} Known: {', '.join(dataset_names())}."
        )
    path = resource_dir("manifests") / f"{name}.toml"
    return validate(DatasetManifest, read_toml(path), origin=str(path))


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
    return validate(SubsetManifest, read_toml(path), origin=str(path))


def read_class_list(path: Path, dataset: DatasetManifest) -> SubsetManifest:
    """Read a subset of one's own: a text file with one class name a line; blank lines do not count.

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


def _is_subset(name: str) -> bool:
    return "dataset" in read_toml(resource_dir("manifests") / f"{name}.toml")
