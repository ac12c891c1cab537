"""What a person sees while a network trains: a live line on a terminal, plain lines elsewhere."""

import time
from typing import Any

from rich.console import Console

from vidprep.durations import format_seconds
from vidprep.harness.training.checkpoints import Position
from vidprep.live_display import LiveDisplay


class TrainProgress(LiveDisplay):
    """Shows where a training is.

    Args:
        start: Where it begins or goes on.
        epochs: Of the whole run.
        console: Where to show it.
    """

    def __init__(self, start: Position, epochs: int, console: Console) -> None:
        super().__init__(console)
        self._start = self._now = start
        self._epochs = epochs
        self._line: dict[str, Any] = {}

    def step(self, position: Position) -> None:
        """Note that a step is done."""
        self._now = position

    def metrics(self, line: dict[str, Any]) -> None:
        """Show a line of metrics."""
        self._line = line
        self.say()

    def line(self) -> str:
        """Return the state as one line."""
        now, parts = self._now, []
        in_epoch = f"step {now.step}/{now.per_epoch}" if now.step else "done"
        number = now.epoch + 1 if now.step else now.epoch
        parts.append(f"epoch {number}/{self._epochs}, {in_epoch}")
        if self._line:
            parts += [
                f"loss {self._line['loss']:.3f}",
                f"top-1 {self._line['top1']:.1%}",
                f"lr {self._line['lr']:.2g}",
                f"{self._line['clips_per_second']:.1f} clips/s",
                f"waits {self._line['data_wait']:.0%}",
            ]
        done = now.total_steps - self._start.total_steps
        left = self._epochs * now.per_epoch - now.total_steps
        if done and left:
            parts.append(f"ETA {format_seconds((time.monotonic() - self.started) / done * left)}")
        return ", ".join(parts)

    def done_and_total(self) -> tuple[int, int]:
        """Return the steps of the whole run so far, and in all."""
        return self._now.total_steps, self._epochs * self._now.per_epoch
