"""Choose a recipe: a pipeline, a published subset by its number of classes, or classes of your own."""

from collections.abc import Sequence
from pathlib import Path

from vidprep.errors import RecipeError
from vidprep.recipes.classes import dataset_of
from vidprep.recipes.manifests import dataset_names, read_class_list, read_subset, subset_names
from vidprep.recipes.pipelines import override_recipe, read_pipeline
from vidprep.recipes.recipe import Recipe
from vidprep.recipes.toml_models import validate


def resolve_recipe(
    recipe: Recipe | Path | str, *, class_list: Path | None = None, overrides: Sequence[str] = ()
) -> Recipe:
    """Return a recipe with its settings.

    Args:
        recipe: A recipe, or the name or path of a pipeline.
        class_list: A text file with classes of your own, instead of the recipe's.
        overrides: `table.key=value` settings.

    Raises:
        RecipeError: If the pipeline, a setting or the class list is wrong.
    """
    if isinstance(recipe, Recipe):
        resolved = override_recipe(recipe, list(overrides), origin=recipe.name) if overrides else recipe
    else:
        resolved = read_pipeline(str(recipe), list(overrides))
    return with_class_list(resolved, class_list) if class_list else resolved


def mini_recipe(
    dataset: str, num_classes: int | None, class_list: Path | None, overrides: list[str] | None
) -> Recipe:
    """Return the recipe of a dataset's subset.

    Args:
        dataset: "ssv2" or "k400".
        num_classes: Number of classes of the published subset; None: the first subset of the dataset, or as
            many as `class_list` names.
        class_list: A text file with the classes, instead of the published ones.
        overrides: As for `read_pipeline`.

    Raises:
        RecipeError: If there is no such subset, or the class list has another number of classes.
    """
    known = [name for name in dataset_names() if subset_names(name)]
    if dataset not in known:
        whole = f" Build all of it: vidprep build {dataset}." if dataset in dataset_names() else ""
        raise RecipeError(
            f"--src {dataset}: unknown dataset of published subsets. Known: {', '.join(known)}.{whole}"
        )
    published = {len(read_subset(name).labels.classes): name for name in subset_names(dataset)}
    if class_list is None:
        if num_classes is not None and num_classes not in published:
            there_is = ", ".join(f"{name} ({size} classes)" for size, name in published.items())
            raise RecipeError(
                f"--classes {num_classes}: {dataset} has no published subset of that size. There is "
                f"{there_is}. For classes of your own give --class-list FILE, one class name a line."
            )
        return read_pipeline(published[num_classes or next(iter(published))], overrides)
    recipe = with_class_list(read_pipeline(next(iter(published.values())), overrides), class_list)
    found = len(recipe.dataset.classes)
    if num_classes is not None and num_classes != found:
        raise RecipeError(f"{class_list}: {found} class names, --classes says {num_classes}.")
    return recipe


def with_class_list(recipe: Recipe, class_list: Path) -> Recipe:
    """Return a recipe for the classes of a file; it is named after the file.

    Raises:
        RecipeError: As `read_class_list`.
    """
    subset = read_class_list(class_list, dataset_of(recipe.dataset))
    stage = recipe.dataset.model_copy(update={"subset": None, "classes": subset.labels.classes})
    values = recipe.model_dump() | {"name": subset.name, "title": subset.title, "dataset": stage.model_dump()}
    return validate(Recipe, values, origin=str(class_list))
