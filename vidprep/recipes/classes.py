"""Which classes a recipe selects, in label order, and how many videos Table A counts for them."""

from vidprep.errors import RecipeError
from vidprep.recipes.manifests import (
    DatasetManifest,
    SubsetManifest,
    check_classes,
    read_dataset,
    read_subset,
    subset_names,
)
from vidprep.recipes.recipe import DatasetStage


def resolve_classes(stage: DatasetStage) -> tuple[str, ...]:
    """Return the class names of a recipe; the index of a name is its label.

    A full dataset has the official order, every subset the alphabetical one.

    Raises:
        RecipeError: If the dataset or the subset is unknown, the subset is one of another dataset, or a
            class is unknown or named twice.
    """
    dataset = read_dataset(stage.name)
    if stage.subset:
        return _subset(stage.subset, dataset).labels.classes
    if stage.classes:
        check_classes(list(stage.classes), dataset, origin="dataset.classes")
        return tuple(sorted(stage.classes))
    return dataset.labels.classes


def expected_counts(stage: DatasetStage) -> dict[str, int]:
    """Return Table A's number of videos per split; empty for classes that the table does not count."""
    dataset = read_dataset(stage.name)
    if stage.subset:
        return dict(_subset(stage.subset, dataset).expected)
    return {} if stage.classes else dict(dataset.expected)


def _subset(name: str, dataset: DatasetManifest) -> SubsetManifest:
    subset = read_subset(name)
    if subset.dataset != dataset.name:
        raise RecipeError(
            f"dataset.subset '{name}' is one of {subset.dataset}, dataset.name is {dataset.name}. "
            f"Subsets of {dataset.name}: {', '.join(subset_names(dataset.name)) or 'none'}."
        )
    return subset
