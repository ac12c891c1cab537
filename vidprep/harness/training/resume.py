"""Go on where a checkpoint was written, on any number of ranks, and only with the training that wrote it."""

from pathlib import Path
from typing import Any

from vidprep.errors import CheckpointError, HarnessError
from vidprep.harness.class_lists import check_same_classes
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.state import Training
from vidprep.recipes.recipe import Recipe


def resume_training(training: Training, path: Path, content: dict[str, Any]) -> None:
    """Put a training where a checkpoint was written.

    Args:
        training: Set up for its beginning.
        path: Of the checkpoint, for messages.
        content: Of it.

    Raises:
        CheckpointError: If its classes are others than the shards', or its weights do not fit.
        HarnessError: If it was written by a training with another recipe, seed or shard set.
    """
    check_same_classes(str(path), tuple(content["classes"]), training.shards)
    _check_same_run(path, content, training)
    try:
        training.bare.load_state_dict(content["model"])
        training.optimiser.load_state_dict(content["optimiser"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: its weights are not those of the run's recipe: {error}") from error
    where = content["position"]
    training.position = Position(where["epoch"], where["step"], training.position.per_epoch)
    training.tally.load_state_dict(content["tally"])
    training.began_with = f"Going on from {path}."
    passes = training.settings.split.num_micro_batches
    training.loader.seek(epoch=where["epoch"], step=where["step"] * passes)


def check_same_position(training: Training) -> None:
    """Refuse a run that looks different to some ranks: each would train other weights, and nobody notice.

    Raises:
        HarnessError: If ranks would begin at different steps; every rank has to ask.
    """
    if not training.ranks.all_same(training.position.total_steps):
        raise HarnessError(
            f"Not all processes go on from the same step: process {training.ranks.rank} sees a run of "
            f"{training.position.total_steps} steps in {training.request.run_dir}. Use an --out that is the "
            "same folder for all of them, on every machine."
        )


def _check_same_run(path: Path, content: dict[str, Any], training: Training) -> None:
    """Refuse to go on with another recipe, seed or shard set than the run began with."""
    request = training.request
    before, now = Recipe.model_validate(content["recipe"]), request.recipe
    differences = [
        f"{stage}.{key} is {value!r} there and {getattr(getattr(now, stage), key)!r} now"
        for stage in ("train_clip", "model", "optimisation")
        for key, value in getattr(before, stage)
        if value != getattr(getattr(now, stage), key)
    ]
    if content["seed"] != request.seed:
        differences.append(f"the seed is {content['seed']} there and {request.seed} now")
    if content["fingerprint"] != training.shards.fingerprint:
        differences.append(f"it was trained on other shards than {training.shards.root} holds now")
    if differences:
        raise HarnessError(
            f"{path} is of another run: {'; '.join(differences)}. Resume with the settings that the run "
            f"began with ({request.run_dir / 'recipe.toml'}), or begin another run with --init {path}."
        )
