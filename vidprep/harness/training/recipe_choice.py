"""Which recipe a training follows, by default that of the shards; the learning rate of other batch sizes."""

from collections.abc import Sequence
from pathlib import Path

from vidprep.errors import HarnessError
from vidprep.recipes.pipelines import overridden_keys, override_recipe, read_pipeline
from vidprep.recipes.recipe import Recipe
from vidprep.shards.layout import MANIFEST
from vidprep.shards.shard_set import ShardSet

# What the shards are is a fact; a recipe decides only what is done with them.
_FACTS = ("name", "title", "dataset", "transcode", "shards")


def training_recipe(
    shards: ShardSet, recipe: Recipe | Path | str | None, overrides: Sequence[str]
) -> tuple[Recipe, str | None]:
    """Return the resolved recipe, and a sentence if the learning rate was scaled to another batch size.

    Args:
        shards: The shard set to train on.
        recipe: A recipe, or the name or path of a pipeline, whose clips, views, network and optimisation are
            taken; None: the recipe that the shards were built with.
        overrides: `table.key=value` settings.

    Raises:
        HarnessError: If the recipe is for another dataset, or there is none.
        RecipeError: If the recipe or an override is wrong.
    """
    before = _base(shards, recipe)
    origin = f"{shards.root}: its recipe" if recipe is None else _name(recipe)
    wanted = override_recipe(before, list(overrides), origin=origin)
    if wanted.optimisation.batch_size == before.optimisation.batch_size:
        return wanted, None
    if "optimisation.lr" in overridden_keys(list(overrides)):
        return wanted, None
    return _with_scaled_lr(wanted, before)


def _base(shards: ShardSet, recipe: Recipe | Path | str | None) -> Recipe:
    if recipe is None:
        if shards.manifest is None:
            raise HarnessError(
                f"{shards.root} has no {MANIFEST}: it was not built by vidprep, or copied without it, so no "
                "recipe comes with it. Name one with --recipe."
            )
        return shards.manifest.recipe
    wanted = recipe if isinstance(recipe, Recipe) else read_pipeline(str(recipe))
    if shards.manifest is None:
        return wanted
    built = shards.manifest.recipe
    if wanted.dataset.name != built.dataset.name:
        raise HarnessError(
            f"Recipe '{_name(recipe)}' is for {wanted.dataset.name}, {shards.root} holds "
            f"{built.dataset.name}. Choose a recipe for {built.dataset.name}, or leave --recipe out."
        )
    return wanted.model_copy(update={name: getattr(built, name) for name in _FACTS})


def _name(recipe: Recipe | Path | str) -> str:
    return recipe.name if isinstance(recipe, Recipe) else str(recipe)


def _with_scaled_lr(wanted: Recipe, before: Recipe) -> tuple[Recipe, str]:
    old, new = before.optimisation, wanted.optimisation
    lr = old.lr * new.batch_size / old.batch_size
    note = (
        f"Learning rate {old.lr:g} x {new.batch_size}/{old.batch_size} = {lr:g}, for batches of "
        f"{new.batch_size} clips instead of {old.batch_size}; --set optimisation.lr=... decides otherwise."
    )
    return wanted.model_copy(update={"optimisation": new.model_copy(update={"lr": lr})}), note
