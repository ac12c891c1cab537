"""Go on where a checkpoint was written, on any number of ranks, and only with the training that wrote it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidprep.errors import CheckpointError, HarnessError
from vidprep.harness.class_lists import check_same_classes
from vidprep.harness.ranks import Ranks
from vidprep.harness.training.checkpoints import Position, newest_checkpoint
from vidprep.harness.training.state import TrainRequest
from vidprep.harness.training.tally import Tally
from vidprep.model import I3DResNet
from vidprep.model.weight_files import RELEASE_0_1_CHROMA
from vidprep.recipes.recipe import Chroma, Recipe
from vidprep.shards.shard_set import ShardSet


@dataclass(frozen=True)
class Saved:
    """A checkpoint that a training goes on from.

    Attributes:
        path: Of the file.
        position: Where it was written.
        content: Of the file.
    """

    path: Path
    position: Position
    content: dict[str, Any]

    @property
    def chroma(self) -> Chroma:
        """Return how colours were made so far."""
        chroma: Chroma = self.content.get("chroma", RELEASE_0_1_CHROMA)
        return chroma

    def restore(self, net: I3DResNet, optimiser: torch.optim.Optimizer, tally: Tally) -> None:
        """Put weights, momentum and open sums back.

        Raises:
            CheckpointError: If the weights do not fit.
        """
        try:
            net.load_state_dict(self.content["model"])
            optimiser.load_state_dict(self.content["optimiser"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{self.path}: its weights are not those of the run's recipe: {error}"
            ) from error
        tally.load_state_dict(self.content["tally"])


def find_saved(request: TrainRequest, shards: ShardSet, per_epoch: int) -> Saved | None:
    """Return the newest checkpoint of the run, or None at its beginning.

    Args:
        request: What is to be trained.
        shards: On what.
        per_epoch: Steps of an epoch.

    Raises:
        CheckpointError: If its classes are others than the shards'.
        HarnessError: If it was written by a training with another recipe, seed or shard set.
    """
    newest = newest_checkpoint(request.run_dir, per_epoch)
    if newest is None:
        return None
    path, content = newest
    check_same_classes(str(path), tuple(content["classes"]), shards)
    _check_same_run(path, content, request, shards)
    where = content["position"]
    return Saved(path, Position(where["epoch"], where["step"], per_epoch), content)


def check_same_position(position: Position, request: TrainRequest, ranks: Ranks) -> None:
    """Refuse a run that looks different to some ranks: each would train other weights, and nobody notice.

    Raises:
        HarnessError: If ranks would begin at different steps; every rank has to ask.
    """
    if not ranks.all_same(position.total_steps):
        raise HarnessError(
            f"Not all processes go on from the same step: process {ranks.rank} sees a run of "
            f"{position.total_steps} steps in {request.run_dir}. Use an --out that is the same folder for "
            "all of them, on every machine."
        )


def _check_same_run(path: Path, content: dict[str, Any], request: TrainRequest, shards: ShardSet) -> None:
    """Refuse to go on with another recipe, seed or shard set than the run began with."""
    before, now = Recipe.model_validate(content["recipe"]), request.recipe
    differences = [
        f"{stage}.{key} is {value!r} there and {getattr(getattr(now, stage), key)!r} now"
        for stage in ("train_clip", "model", "optimisation")
        for key, value in getattr(before, stage)
        if value != getattr(getattr(now, stage), key)
    ]
    if content["seed"] != request.seed:
        differences.append(f"the seed is {content['seed']} there and {request.seed} now")
    if content["fingerprint"] != shards.fingerprint:
        differences.append(f"it was trained on other shards than {shards.root} holds now")
    if differences:
        raise HarnessError(
            f"{path} is of another run: {'; '.join(differences)}. Resume with the settings that the run "
            f"began with ({request.run_dir / 'recipe.toml'}), or begin another run with --init {path}."
        )
