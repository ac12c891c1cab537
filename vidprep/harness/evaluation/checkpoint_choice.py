"""Which checkpoint an evaluation is of: a file, or the last epoch of a run."""

import logging
from dataclasses import dataclass
from pathlib import Path

from vidprep.errors import CheckpointError
from vidprep.harness.run_folder import CHECKPOINTS, epoch_checkpoints
from vidprep.model.weight_files import WeightFile, read_weights
from vidprep.recipes.recipe import Weights
from vidprep.shards.manifest import file_sha256

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChosenCheckpoint:
    """A file of weights and where in its training it is from.

    Attributes:
        path: Path of the file.
        sha256: Hash of the file.
        weights: Content of the file.
        epoch: Number of finished epochs; None if the file does not say.
        total_steps: Optimiser steps so far; None if the file does not say.
    """

    path: Path
    sha256: str
    weights: WeightFile
    epoch: int | None
    total_steps: int | None


def choose_checkpoint(path: Path) -> ChosenCheckpoint:
    """Read a checkpoint file, or the one after the last epoch of a run's folder.

    The last epoch is the one to report, never the best one; if the run has not finished, a warning says so.

    Raises:
        CheckpointError: If there is no checkpoint, or it is unusable.
    """
    file = _last_epoch(path) if path.is_dir() else path
    weights = read_weights(file)
    position = weights.position or {}
    chosen = ChosenCheckpoint(
        file, file_sha256(file), weights, position.get("epoch"), position.get("total_steps")
    )
    if path.is_dir():
        _warn_unfinished(path, chosen)
    return chosen


def choose_weights(file: WeightFile, wanted: Weights | None) -> Weights:
    """Return which weights of a file to use: `wanted`, or by default those that its recipe validates."""
    return wanted or (file.recipe.validation.weights if file.recipe else "trained")


def _last_epoch(run_dir: Path) -> Path:
    epochs = epoch_checkpoints(run_dir)
    if not epochs:
        raise CheckpointError(
            f"{run_dir} is no run with a finished epoch: no {CHECKPOINTS}/epoch-NNNN.pt in it. "
            "Wait for the first one, or give a checkpoint file."
        )
    return epochs[max(epochs)]


def _warn_unfinished(run_dir: Path, chosen: ChosenCheckpoint) -> None:
    recipe, epoch = chosen.weights.recipe, chosen.epoch
    if recipe is None or epoch is None or epoch >= recipe.optimisation.epochs:
        return
    _log.warning(
        "%s has not finished: epoch %d of %d. This is no figure to report.",
        run_dir,
        epoch,
        recipe.optimisation.epochs,
    )
