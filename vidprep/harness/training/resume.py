"""Go on where a checkpoint was written, on any number of ranks, and only with the same run's settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vidprep.errors import CheckpointError, HarnessError
from vidprep.harness.class_lists import check_same_classes
from vidprep.harness.ranks import Ranks
from vidprep.harness.training.checkpoints import Position, newest_checkpoint
from vidprep.harness.training.continuing.changes import (
    Change,
    changes,
    check_allowed_keys,
    is_allowed,
    what_it_means,
)
from vidprep.harness.training.state import TrainRequest
from vidprep.harness.training.tally import Tally
from vidprep.model.network import Network
from vidprep.model.weight_average import WeightAverage
from vidprep.model.weight_files import RELEASE_0_1_CHROMA
from vidprep.recipes.recipe import Chroma, Recipe
from vidprep.shards.shard_set import ShardSet


@dataclass(frozen=True)
class Saved:
    """A checkpoint that a training goes on from.

    Attributes:
        path: Path of the file.
        position: Where the training was when it was written.
        content: Content of the file.
        changes: Settings that differ from here on.
    """

    path: Path
    position: Position
    content: dict[str, Any]
    changes: tuple[Change, ...] = ()

    def explain_changes(self, now: Recipe) -> tuple[str, ...]:
        """Say in sentences which settings differ from here on."""
        before = Recipe.model_validate(self.content["recipe"])
        return tuple(what_it_means(one, before, now, self.position) for one in self.changes)

    @property
    def chroma(self) -> Chroma:
        """Return how colours were converted so far, see `yuv420_to_rgb`."""
        chroma: Chroma = self.content.get("chroma", RELEASE_0_1_CHROMA)
        return chroma

    def restore(
        self, net: Network, optimiser: torch.optim.Optimizer, tally: Tally, average: WeightAverage | None
    ) -> None:
        """Put back the weights, the momentum, the sums for the next line of metrics, and the average.

        An average that the checkpoint lacks begins with its weights.

        Raises:
            CheckpointError: If the weights do not fit.
        """
        try:
            net.load_state_dict(self.content["model"])
            optimiser.load_state_dict(self.content["optimiser"])
            if average is not None:
                average.load_state_dict(self.content.get("ema", self.content["model"]))
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{self.path}: its weights are not those of the run's recipe: {error}"
            ) from error
        tally.load_state_dict(self.content["tally"])


def find_saved(request: TrainRequest, shards: ShardSet, per_epoch: int) -> Saved | None:
    """Return the newest checkpoint of the run, or None at its beginning.

    Args:
        request: What is to be trained.
        shards: The shard set to train on.
        per_epoch: Steps of an epoch.

    Raises:
        CheckpointError: If its classes are not those of the shards.
        HarnessError: If it was written by a training with another recipe, seed or shard set.
    """
    newest = newest_checkpoint(request.run_dir, per_epoch)
    if newest is None:
        return None
    path, content = newest
    check_same_classes(str(path), tuple(content["classes"]), shards)
    where = content["position"]
    saved = Saved(path, Position(where["epoch"], where["step"], per_epoch), content)
    return replace(saved, changes=_check_same_run(saved, request, shards))


def check_same_position(position: Position, request: TrainRequest, ranks: Ranks) -> None:
    """Refuse to begin at different steps on different ranks, which see different folders then.

    Every rank has to call it.

    Raises:
        HarnessError: If ranks would begin at different steps.
    """
    if not ranks.all_same(position.total_steps):
        raise HarnessError(
            f"Not all processes go on from the same step: process {ranks.rank} sees a run of "
            f"{position.total_steps} steps in {request.run_dir}. Use an --out that is the same folder for "
            "all of them, on every machine."
        )


def _check_same_run(saved: Saved, request: TrainRequest, shards: ShardSet) -> tuple[Change, ...]:
    """Refuse to go on with another recipe, seed or shard set than before; return what may change."""
    content, now = saved.content, request.recipe
    before = Recipe.model_validate(content["recipe"])
    check_allowed_keys(request.allow_change, now)
    found = changes(before, now)
    allowed = [
        is_allowed(one, now, saved.position, keys=request.allow_change, extend=request.extend)
        for one in found
    ]
    refused = [one for one, may in zip(found, allowed, strict=True) if not may]
    differences = [str(one) for one in refused]
    if content["seed"] != request.seed:
        differences.append(f"the seed is {content['seed']} there and {request.seed} now")
    if content["fingerprint"] != shards.fingerprint:
        differences.append(f"it was trained on {shards.describe_other(content['fingerprint'])}")
    if differences:
        raise HarnessError(
            f"{saved.path} is of another run: {'; '.join(differences)}. Resume with the settings that the "
            f"run began with ({request.run_dir / 'recipe.toml'}), or begin another run with --init "
            f"{saved.path}." + _how_to_change(refused)
        )
    return tuple(found)


def _how_to_change(refused: Sequence[Change]) -> str:
    if not refused:
        return ""
    if [one.key for one in refused] == ["optimisation.epochs"]:
        return " --extend goes on with the cosine of the new number of epochs from here."
    return " To change it from here on: " + " ".join(f"--allow-change {one.key}" for one in refused) + "."
