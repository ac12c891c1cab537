"""Which views an evaluation sums over, and which form the network's head has.

The recipe of the checkpoint decides, or that of the shards where a checkpoint has none; the protocol has
precedence over it, and what the user sets by hand over both.
"""

from collections.abc import Sequence
from typing import Literal

from vidprep.errors import RecipeError, ShardError
from vidprep.model.weight_files import WeightFile
from vidprep.recipes.pipelines import override_recipe, read_pipeline
from vidprep.recipes.recipe import EvalViews, ModelStage, Recipe
from vidprep.shards.shard_set import ShardSet

Protocol = Literal["ibm"]

# Settings that a protocol decides; clip_len and crop_size stay those of the recipe.
_PROTOCOL_KEYS = ("temporal", "frame_step", "num_clips", "num_crops", "crops")


def choose_views(
    weights: WeightFile, shards: ShardSet, *, protocol: Protocol | None, overrides: Sequence[str]
) -> EvalViews:
    """Return the views of an evaluation.

    Args:
        weights: The network; only our own checkpoints have a recipe.
        shards: The shard set that it is evaluated on.
        protocol: "ibm" takes the sampling of `pipelines/ibm_<dataset>.toml`.
        overrides: `eval_views.KEY=VALUE` settings, after all else.

    Raises:
        RecipeError: If a setting is wrong, is none of `eval_views`, or there is no such protocol.
        ShardError: If neither checkpoint nor shards have a recipe.
    """
    for override in overrides:
        if not override.startswith("eval_views."):
            raise RecipeError(
                f"--set {override}: an evaluation has only keys of eval_views to set, e.g. "
                "eval_views.num_clips=10. The rest of the recipe is the checkpoint's."
            )
    recipe = weights.recipe or _recipe_of(shards, weights)
    origin = weights.source if weights.recipe else f"{shards.root}/manifest.json"
    if protocol:
        wanted = protocol_recipe(protocol, shards).eval_views
        overrides = [*(f"eval_views.{key}={getattr(wanted, key)}" for key in _PROTOCOL_KEYS), *overrides]
    return (
        override_recipe(recipe, list(overrides), origin=origin).eval_views if overrides else recipe.eval_views
    )


def choose_head(
    weights: WeightFile, shards: ShardSet, *, protocol: Protocol | None
) -> Literal["per_frame", "pool_first"]:
    """Return the form of the head: the protocol's, or that of the network's recipe."""
    if protocol:
        return protocol_recipe(protocol, shards).model.head
    return (weights.stage or ModelStage()).head


def protocol_recipe(protocol: Protocol, shards: ShardSet) -> Recipe:
    """Return the pipeline that holds a protocol for the dataset of a shard set.

    Raises:
        RecipeError: If there is none.
        ShardError: If the shards do not say which dataset they are of.
    """
    if shards.manifest is None:
        raise ShardError(
            f"{shards.root} has no manifest, so it is not known which dataset it is of, and --protocol "
            f"{protocol} is another one for each. Leave it out, and --set eval_views.KEY=VALUE instead."
        )
    return read_pipeline(f"{protocol}_{shards.manifest.recipe.dataset.name}")


def _recipe_of(shards: ShardSet, weights: WeightFile) -> Recipe:
    if shards.manifest is None:
        raise ShardError(
            f"Neither {weights.source} nor {shards.root} has a recipe, so it is not known which views to "
            "take. Evaluate a checkpoint of vidprep's own, or shards that vidprep built."
        )
    return shards.manifest.recipe
