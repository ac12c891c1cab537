"""Plan a training without beginning it: the whole of it, as one function."""

from collections.abc import Sequence
from pathlib import Path

from vidprep.harness.class_lists import class_list
from vidprep.harness.device import Precision
from vidprep.harness.ranks import Device, joined_ranks
from vidprep.harness.training.planning.plan import MicroBatch, TrainingPlan, make_plan
from vidprep.harness.training.recipe_choice import training_recipe
from vidprep.load import LoaderOptions
from vidprep.recipes.recipe import Recipe
from vidprep.shards.shard_set import ShardSet


def plan_training(
    shards: ShardSet | Path | str,
    *,
    recipe: Recipe | Path | str | None = None,
    overrides: Sequence[str] = (),
    device: Device | None = None,
    precision: Precision | None = None,
    micro_batch: MicroBatch = None,
    loading: LoaderOptions | None = None,
) -> TrainingPlan:
    """Return what a training would compute, and the memory that it needs, without beginning it.

    A pass of one clip is run to measure its memory; nothing is written.

        plan = vidprep.plan_training("shards/motion", micro_batch="auto")
        print(plan.split.per_pass, plan.fits)

    Args:
        shards: A shard set, its folder or its URL.
        recipe: A recipe, or the name or path of a pipeline; None: the one that the shards were built with.
        overrides: `table.key=value` settings of the recipe.
        device: "cuda" or "cpu"; None: a GPU where there is one.
        precision: Number format of the convolutions; None: "bf16" on a GPU, "fp32" on a CPU.
        micro_batch: Clips of one rank in one pass; None: its whole share of the batch; "auto": the most that
            fit into memory.
        loading: How to read and decode; None: the defaults.

    Raises:
        HarnessError: If the batch cannot be spread over the ranks, or there is no such device.
        RecipeError: If the recipe or an override is wrong.
        ShardError: If the shards lack the training split.
    """
    opened = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
    resolved, _ = training_recipe(opened, recipe, overrides)
    with joined_ranks(device) as ranks:
        return make_plan(
            opened,
            resolved,
            len(class_list(opened)),
            ranks,
            micro_batch=micro_batch,
            precision=precision,
            loading=loading or LoaderOptions(),
        )
