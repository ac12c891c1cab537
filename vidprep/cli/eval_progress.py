"""What a person sees while a network is evaluated: a bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from vidprep.durations import format_seconds
from vidprep.progress_bar import bar_over_line

_PLAIN_LINE_SECONDS = 10.0


class EvalProgress:
    """Shows how far one rank is; the others have as many videos, give or take one.

    Args:
        world_size: Ranks that share the videos.
        console: Where to show it.
    """

    def __init__(self, world_size: int, console: Console) -> None:
        self._whose = "" if world_size == 1 else f" of rank 0 of {world_size}"
        self._console = console
        self._done = self._total = 0
        self._started = self._last_line = time.monotonic()
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
        if self._total:
            self._console.print(self.line(), highlight=False)

    def update(self, done: int, total: int) -> None:
        """Note how many videos are done."""
        self._done, self._total = done, total
        is_due = time.monotonic() - self._last_line > _PLAIN_LINE_SECONDS and done < total
        if is_due and not self._console.is_terminal:
            self._last_line = time.monotonic()
            self._console.print(self.line(), highlight=False)

    def line(self) -> str:
        """Return the state as one line of text."""
        if not self._total:
            return "Reading the checkpoint and the shards."
        seconds = time.monotonic() - self._started
        rate = self._done / seconds if seconds > 0 else 0.0
        left = self._total - self._done
        when = f"ETA {format_seconds(left / rate)}" if left and rate else f"in {format_seconds(seconds)}"
        return f"{self._done:,} / {self._total:,} videos{self._whose}, {rate:.2f} videos/s, {when}"

    def _render(self) -> RenderableType:
        return bar_over_line(self.line(), completed=self._done, total=self._total)
