"""How far a long command is: a bar on a terminal, plain lines elsewhere; with rate and remaining time."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from vidprep.durations import format_seconds
from vidprep.progress_bar import bar_over_line

_PLAIN_LINE_SECONDS = 10.0


class StepProgress:
    """Steps of one command.

    Args:
        num_steps: In all, those that an earlier run made included.
        unit: What a step is, in the plural.
    """

    def __init__(self, num_steps: int, unit: str, console: Console) -> None:
        self._num_steps = num_steps
        self._unit = unit
        self._console = console
        self._finished = self._made = 0
        self._what = "starting"
        self._started = time.monotonic()
        self._last_line = -_PLAIN_LINE_SECONDS
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def step(self, finished: int, what: str) -> None:
        """Take note that one more step was made.

        Args:
            finished: Steps so far, those that an earlier run made included; the rate is that of this run.
            what: The step that was made, for people.
        """
        self._finished, self._what = finished, what
        self._made += 1
        now = time.monotonic()
        is_due = now - self._last_line >= _PLAIN_LINE_SECONDS or finished == self._num_steps
        if not self._console.is_terminal and is_due:
            self._last_line = now
            self._console.print(self.line(), soft_wrap=True, markup=False)

    def line(self) -> str:
        """Return the state as one line of text."""
        seconds = time.monotonic() - self._started
        line = f"{self._what}: {self._finished:,} / {self._num_steps:,} {self._unit}"
        if not self._made:
            return line
        rate = self._made / seconds
        shown = f"{rate:.1f} {self._unit}/s" if rate >= 1 else f"{60 * rate:.1f} {self._unit}/min"
        remaining = (self._num_steps - self._finished) / rate
        end = f"ETA {format_seconds(remaining)}" if remaining else f"in {format_seconds(seconds)}"
        return f"{line}, {shown}, {end}"

    def _render(self) -> RenderableType:
        return bar_over_line(self.line(), completed=self._finished, total=self._num_steps)
