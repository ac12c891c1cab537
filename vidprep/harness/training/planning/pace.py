"""When a training will end, reckoned from its first steps."""

import time

from vidprep.durations import format_seconds
from vidprep.harness.training.checkpoints import Position

NUM_STEPS = 10  # are timed

_DAY = 24 * 3600
_LONG = 14 * _DAY


class Pace:
    """Times the first steps of a start, without the very first, which waits for the loader to start.

    Args:
        start: Where the training begins or goes on.
    """

    def __init__(self, start: Position) -> None:
        self._first = start.total_steps + 1
        self._since = time.perf_counter()

    def after_step(self, position: Position, epochs: int, *, on: str) -> str | None:
        """Return a sentence about the end after the last step that is timed, else None.

        Args:
            position: Where the training is now.
            epochs: Epochs of the whole run.
            on: The device, for the sentence.
        """
        now, taken = time.perf_counter(), position.total_steps - self._first
        if taken == 0:
            self._since = now
        if taken != NUM_STEPS or position.total_steps == epochs * position.per_epoch:
            return None
        return foresee_end(position, epochs, now - self._since, on=on)


def foresee_end(position: Position, epochs: int, seconds: float, *, on: str) -> str:
    """Return when the training ends at the pace of its first steps.

        position 10 of 1,000 steps, 20 s -> "10 steps took 20 s on cpu: the other 990 end in about 33 min."

    Args:
        position: After `NUM_STEPS` steps of this start.
        epochs: Epochs of the whole run.
        seconds: Seconds that these steps took.
        on: The device.
    """
    left = epochs * position.per_epoch - position.total_steps
    remaining = seconds / NUM_STEPS * left
    others = f"the other {left:,} end" if left > 1 else "the last one ends"
    sentence = (
        f"{NUM_STEPS} steps took {format_seconds(seconds)} on {on}: "
        f"{others} in about {format_long(remaining)}."
    )
    if remaining > _LONG and on == "cpu":
        sentence += (
            " This is too long for a CPU: use GPUs (how fast they are was not measured here), or a smaller "
            "network, clip or number of epochs (--set model.width, train_clip.crop_size, "
            "optimisation.epochs)."
        )
    return sentence


def format_long(seconds: float) -> str:
    """Return a duration in the unit that a person would take: "3 h 20 min", "12 days", "5 months"."""
    days = seconds / _DAY
    if days < 2:
        return format_seconds(seconds)
    if days < 60:
        return f"{days:.0f} days"
    return f"{days / 30.44:.0f} months"
