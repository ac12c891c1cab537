"""Which recipe a training follows: that of the shards unless told otherwise; the learning rate that fits."""

from vidprep.errors import HarnessError
from vidprep.recipes.pipelines import overridden_keys, override_recipe, read_pipeline
from vidprep.recipes.recipe import Recipe
from vidprep.shards.shard_set import ShardSet

# What the shards are is a fact; a recipe decides only what is done with them.
_FACTS = ("name", "title", "dataset", "transcode", "shards")


def training_recipe(
    shards: ShardSet, pipeline: str | None, overrides: list[str] | None
) -> tuple[Recipe, str | None]:
    """Return the resolved recipe, and a sentence if the learning rate was scaled to another batch size.

    Args:
        pipeline: Name or path of one whose clips, views, network and optimisation are wanted instead of
            those that the shards were built with.
        overrides: `table.key=value` settings.

    Raises:
        HarnessError: If the recipe is for another dataset, or there is none.
        RecipeError: If it, or an override, is wrong.
    """
    origin = pipeline or f"{shards.root}: its recipe"
    before = _base(shards, pipeline)
    wanted = override_recipe(before, overrides, origin=origin)
    if wanted.optimisation.batch_size == before.optimisation.batch_size:
        return wanted, None
    if "optimisation.lr" in overridden_keys(overrides):
        return wanted, None
    return _with_scaled_lr(wanted, before)


def _base(shards: ShardSet, pipeline: str | None) -> Recipe:
    if shards.manifest is None:
        if pipeline is None:
            raise HarnessError(
                f"{shards.root} was not built by vidprep, so no recipe comes with it. Name one with --recipe."
            )
        return read_pipeline(pipeline)
    built = shards.manifest.recipe
    if pipeline is None:
        return built
    wanted = read_pipeline(pipeline)
    if wanted.dataset.name != built.dataset.name:
        raise HarnessError(
            f"Recipe '{pipeline}' is for {wanted.dataset.name}, {shards.root} holds {built.dataset.name}. "
            f"Choose a recipe for {built.dataset.name}, or leave --recipe out."
        )
    return wanted.model_copy(update={name: getattr(built, name) for name in _FACTS})


def _with_scaled_lr(wanted: Recipe, before: Recipe) -> tuple[Recipe, str]:
    old, new = before.optimisation, wanted.optimisation
    lr = old.lr * new.batch_size / old.batch_size
    note = (
        f"Learning rate {old.lr:g} x {new.batch_size}/{old.batch_size} = {lr:g}, for batches of "
        f"{new.batch_size} clips instead of {old.batch_size}; --set optimisation.lr=... decides otherwise."
    )
    return wanted.model_copy(update={"optimisation": new.model_copy(update={"lr": lr})}), note
