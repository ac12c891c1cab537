"""How far a long command is: a bar on a terminal, plain lines elsewhere; with rate and remaining time."""

import time

from rich.console import Console

from vidprep.durations import format_seconds
from vidprep.live_display import LiveDisplay


class StepProgress(LiveDisplay):
    """Steps of one command.

    Args:
        num_steps: In all, those that an earlier run made included.
        unit: What a step is, in the plural.
    """

    def __init__(self, num_steps: int, unit: str, console: Console) -> None:
        super().__init__(console)
        self._num_steps = num_steps
        self._unit = unit
        self._finished = self._made = 0
        self._what = "starting"

    def step(self, finished: int, what: str) -> None:
        """Take note that one more step was made.

        Args:
            finished: Steps so far, those that an earlier run made included; the rate is that of this run.
            what: The step that was made, for people.
        """
        self._finished, self._what = finished, what
        self._made += 1
        self.say(at_once=self._made == 1 or finished == self._num_steps)

    def line(self) -> str:
        """Return the state as one line of text."""
        seconds = time.monotonic() - self.started
        line = f"{self._what}: {self._finished:,} / {self._num_steps:,} {self._unit}"
        if not self._made:
            return line
        rate = self._made / seconds
        shown = f"{rate:.1f} {self._unit}/s" if rate >= 1 else f"{60 * rate:.1f} {self._unit}/min"
        remaining = (self._num_steps - self._finished) / rate
        end = f"ETA {format_seconds(remaining)}" if remaining else f"in {format_seconds(seconds)}"
        return f"{line}, {shown}, {end}"

    def done_and_total(self) -> tuple[int, int]:
        """Return the steps so far, and all."""
        return self._finished, self._num_steps

    def last_words(self) -> str:
        """Return nothing: the last step was said."""
        return ""
