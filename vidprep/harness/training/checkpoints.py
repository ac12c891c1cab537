"""Checkpoints of a run: written whole, few of them kept, the newest readable one picked.

Each is what `vidprep.model.weight_files.checkpoint` makes, and holds besides: `position`, `tally`,
`optimiser`, `seed`, `fingerprint` of the shards, and `ema`, the average of the weights, where one is made.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidprep.errors import CheckpointError
from vidprep.files import write_whole
from vidprep.harness.run_folder import (
    epoch_checkpoint_path,
    epoch_checkpoints,
    step_checkpoint_path,
    step_checkpoints,
)
from vidprep.model.checkpoint_bytes import checkpoint_bytes
from vidprep.model.weight_files import read_checkpoint

_log = logging.getLogger(__name__)

_NEEDED = ("model", "recipe", "classes", "position", "tally", "optimiser", "seed", "fingerprint")


@dataclass(frozen=True)
class Position:
    """Where a training is, between two steps.

    Attributes:
        epoch: Number of finished epochs.
        step: Steps done in the epoch after them.
        per_epoch: Steps of a whole epoch.
    """

    epoch: int
    step: int
    per_epoch: int

    @property
    def total_steps(self) -> int:
        """Return the steps of the whole run so far."""
        return self.epoch * self.per_epoch + self.step

    @property
    def epochs(self) -> float:
        """Return the same in epochs: 2.5 is the middle of the third."""
        return self.total_steps / self.per_epoch

    def next(self) -> "Position":
        """Return the position one step on."""
        epoch, step = divmod(self.total_steps + 1, self.per_epoch)
        return Position(epoch, step, self.per_epoch)

    def path(self, run_dir: Path) -> Path:
        """Return where the checkpoint of this position lies."""
        if self.step == 0:
            return epoch_checkpoint_path(run_dir, self.epoch)
        return step_checkpoint_path(run_dir, self.total_steps)

    def as_dict(self) -> dict[str, int]:
        """Return the position as a checkpoint holds it."""
        return {"epoch": self.epoch, "step": self.step, "total_steps": self.total_steps}


@dataclass(frozen=True)
class Keep:
    """Which checkpoints stay on the disk: the newest ones, and some epochs for good.

    Attributes:
        last: The newest N.
        every: Every N-th epoch; the first (before training) and the last of a run are always kept.
    """

    last: int = 2
    every: int = 5


def save_checkpoint(content: dict[str, Any], position: Position, run_dir: Path) -> Path:
    """Write a checkpoint under the name of its position; whole or not at all."""
    path = position.path(run_dir)
    write_whole(path, checkpoint_bytes(content))
    return path


def prune_checkpoints(run_dir: Path, keep: Keep, newest: Position, *, epochs: int) -> None:
    """Delete the checkpoints that are not to be kept.

    Args:
        run_dir: Folder of the run.
        keep: Which stay.
        newest: Position of the newest good one. Later ones could not be read when the run went on: they are
            not counted among the newest, or good ones would be deleted in their favour.
        epochs: Epochs of the whole run.
    """
    by_step = _by_total_steps(run_dir, newest.per_epoch)
    known = [total_steps for total_steps in by_step if total_steps <= newest.total_steps]
    for total_steps in known[: -keep.last]:
        epoch, step = divmod(total_steps, newest.per_epoch)
        if step or (epoch % keep.every and epoch != epochs):
            by_step[total_steps].unlink()


def newest_checkpoint(run_dir: Path, per_epoch: int) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint that can be read, and its content; None if the run has none.

    Raises:
        CheckpointError: If there are some and none can be read.
    """
    problem: CheckpointError | None = None
    for path in reversed(_by_total_steps(run_dir, per_epoch).values()):
        try:
            return path, _read_whole(path)
        except CheckpointError as error:
            problem = problem or error
            _log.warning("%s The one before it is used.", error)
    if problem is None:
        return None
    raise problem


def _read_whole(path: Path) -> dict[str, Any]:
    content = read_checkpoint(path)
    missing = [name for name in _NEEDED if name not in content]
    if missing:
        raise CheckpointError(
            f"{path}: not a checkpoint of a training: it has no {', '.join(missing)}. To begin with its "
            "weights, pass it with --init."
        )
    return content


def _by_total_steps(run_dir: Path, per_epoch: int) -> dict[int, Path]:
    found = {epoch * per_epoch: path for epoch, path in epoch_checkpoints(run_dir).items()}
    return dict(sorted((found | step_checkpoints(run_dir)).items()))
