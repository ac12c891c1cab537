"""What a person sees while a network trains: a live line on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.live import Live

from vidprep.durations import format_seconds
from vidprep.harness.checkpoints import Position
from vidprep.progress_bar import bar_over_line

_PLAIN_LINE_SECONDS = 10.0


class TrainProgress:
    """Shows where a training is.

    Args:
        start: Where it begins or goes on.
        epochs: Of the whole run.
        console: Where to show it.
    """

    def __init__(self, start: Position, epochs: int, console: Console) -> None:
        self._start = self._now = start
        self._epochs = epochs
        self._console = console
        self._line: dict[str, Any] = {}
        self._started = self._last_line = time.monotonic()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        self._console.print(self.text(), highlight=False, soft_wrap=True)

    def step(self, position: Position) -> None:
        """Note that a step is done."""
        self._now = position

    def metrics(self, line: dict[str, Any]) -> None:
        """Show a line of metrics."""
        self._line = line
        if not self._console.is_terminal and time.monotonic() - self._last_line > _PLAIN_LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(self.text(), highlight=False, soft_wrap=True)

    def text(self) -> str:
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
            parts.append(f"ETA {format_seconds((time.monotonic() - self._started) / done * left)}")
        return ", ".join(parts)

    def _render(self) -> RenderableType:
        total = self._epochs * self._now.per_epoch
        return bar_over_line(self.text(), completed=self._now.total_steps, total=total)
