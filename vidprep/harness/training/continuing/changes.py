"""Which settings of a run may differ when it goes on, and what that means.

The learning rates of a "step" schedule do not depend on the number of epochs, so it may change; those of a
cosine do, so a change needs --extend. Any other setting has to be named with --allow-change.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vidprep.errors import HarnessError
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.schedule import learning_rate
from vidprep.recipes.recipe import Recipe

STAGES = ("train_clip", "augmentation", "model", "optimisation")
_EPOCHS = "optimisation.epochs"
# These decide how many steps an epoch has and which tensors there are: with others it is another run.
_FIXED = (
    "optimisation.batch_size",
    "model.factory",
    "model.arguments",
    "model.depth",
    "model.width",
    "model.temporal_taps",
    "model.temporal_stride",
)


@dataclass(frozen=True)
class Change:
    """A setting that has another value now.

    Attributes:
        key: `table.key`.
        before: Its value so far.
        now: Its value from here on.
    """

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """Return the change in words, for people and for run.json."""
        return f"{self.key} is {self.before!r} there and {self.now!r} now"


def changes(before: Recipe, now: Recipe) -> list[Change]:
    """Return the settings that differ, among those that decide the weights (the tables in `STAGES`)."""
    return [
        Change(f"{stage}.{key}", value, getattr(getattr(now, stage), key))
        for stage in STAGES
        for key, value in getattr(before, stage)
        if value != getattr(getattr(now, stage), key)
    ]


def check_allowed_keys(keys: Sequence[str], recipe: Recipe) -> None:
    """Refuse keys that no recipe has, or whose change would make it another run.

    Raises:
        HarnessError: If one of the keys is such a key.
    """
    known = [f"{stage}.{key}" for stage in STAGES for key in type(getattr(recipe, stage)).model_fields]
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean '{near[0]}'?" if near else f" It is one of {', '.join(known)}."
            raise HarnessError(f"--allow-change {key}: no such setting of a training.{hint}")
        if key in _FIXED:
            raise HarnessError(
                f"--allow-change {key}: with another one the steps or the weights of the run do not fit. "
                "Begin another run with --init CHECKPOINT."
            )


def is_allowed(change: Change, now: Recipe, position: Position, *, keys: Sequence[str], extend: bool) -> bool:
    """Tell whether a run may go on with a change.

    Args:
        change: The change.
        now: The recipe from here on.
        position: Where the run is.
        keys: Settings that the user allows to change.
        extend: Whether the user allows another number of epochs with any schedule.

    Raises:
        HarnessError: If fewer epochs are wanted than are done.
    """
    if change.key != _EPOCHS:
        return change.key in keys
    if position.epochs > change.now:
        raise HarnessError(
            f"The run has {position.epochs:g} epochs already, and {_EPOCHS} is {change.now} now. An earlier "
            "epoch is a checkpoint of its own where --keep-every kept it."
        )
    return extend or _EPOCHS in keys or now.optimisation.schedule == "step"


def what_it_means(change: Change, before: Recipe, now: Recipe, position: Position) -> str:
    """Say what a change does from here on."""
    start = f"From step {position.total_steps:,} on"
    if change.key != _EPOCHS or now.optimisation.schedule == "step":
        return f"{start}, {change.key} is {change.now!r} instead of {change.before!r}."
    old, new = (
        learning_rate(recipe.optimisation, position.total_steps, position.per_epoch)
        for recipe in (before, now)
    )
    return (
        f"{start} the cosine is that of {change.now} epochs, and was that of {change.before}: the learning "
        f"rate goes from {old:.3g} to {new:.3g} here. A run of {change.now} epochs from the beginning would "
        "have been another one; say so where you report it."
    )
