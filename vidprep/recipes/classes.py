"""Which classes a recipe selects, in label order, and the published number of their videos."""

from vidprep.errors import RecipeError
from vidprep.recipes.dataset_file import DatasetManifest, Release
from vidprep.recipes.manifests import (
    SubsetManifest,
    check_classes,
    read_dataset,
    read_subset,
    subset_names,
)
from vidprep.recipes.recipe import DatasetStage
from vidprep.recipes.toml_models import nearest


def dataset_of(stage: DatasetStage) -> DatasetManifest:
    """Return the dataset of a recipe, with the recipe's target label and the counts of its fold or release.

    Raises:
        RecipeError: If there is no such dataset, fold, release or target.
    """
    dataset = stage.definition or read_dataset(stage.name)
    if stage.target:
        try:
            dataset = dataset.with_target(stage.target)
        except ValueError as error:
            raise RecipeError(str(error)) from error
    counts = _fold_counts(stage, dataset) if dataset.folds or stage.fold else None
    if dataset.releases or stage.release:
        counts = _release(stage, dataset).expected
    return dataset if counts is None else dataset.model_copy(update={"expected": counts})


def label_sets(stage: DatasetStage) -> dict[str, tuple[str, ...]]:
    """Return the classes of each further label of a sample, by its name."""
    return {labels.name: labels.classes for labels in dataset_of(stage).more_labels}


def _fold_counts(stage: DatasetStage, dataset: DatasetManifest) -> dict[str, int]:
    fold = 1 if stage.fold is None else stage.fold
    if not 1 <= fold <= len(dataset.folds):
        there_are = f"folds 1 to {len(dataset.folds)}" if dataset.folds else "no folds"
        raise RecipeError(f"dataset.fold {fold}: {dataset.title} has {there_are}.")
    return dataset.folds[fold - 1]


def _release(stage: DatasetStage, dataset: DatasetManifest) -> Release:
    names = [release.name for release in dataset.releases]
    if stage.release is not None and stage.release not in names:
        raise RecipeError(
            f"dataset.release '{stage.release}': {dataset.title} has "
            f"{', '.join(names) or 'one release only'}.{nearest(stage.release, names)}"
        )
    return dataset.releases[names.index(stage.release) if stage.release else 0]


def resolve_classes(stage: DatasetStage) -> tuple[str, ...]:
    """Return the class names of a recipe; the index of a name is its label.

    A full dataset has the official order, every subset the alphabetical one.

    Raises:
        RecipeError: If the dataset or the subset is unknown, the subset is one of another dataset, or a
            class is unknown or named twice.
    """
    dataset = dataset_of(stage)
    if stage.subset:
        return _subset(stage.subset, dataset).labels.classes
    if stage.classes:
        check_classes(list(stage.classes), dataset, origin="dataset.classes")
        return tuple(sorted(stage.classes))
    return dataset.labels.classes


def expected_counts(stage: DatasetStage) -> dict[str, int]:
    """Return the published number of videos per split; empty for classes that have none."""
    dataset = dataset_of(stage)
    if stage.subset:
        return dict(_subset(stage.subset, dataset).expected)
    return {} if stage.classes else dict(dataset.expected)


def published_counts(stage: DatasetStage | None) -> dict[str, int]:
    """Return `expected_counts`; empty for a dataset that this version does not know."""
    try:
        return expected_counts(stage) if stage else {}
    except RecipeError:
        return {}


def _subset(name: str, dataset: DatasetManifest) -> SubsetManifest:
    subset = read_subset(name)
    if subset.dataset != dataset.name:
        raise RecipeError(
            f"dataset.subset '{name}' is one of {subset.dataset}, dataset.name is {dataset.name}. "
            f"Subsets of {dataset.name}: {', '.join(subset_names(dataset.name)) or 'none'}."
        )
    return subset
