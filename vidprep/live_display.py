"""Progress of a long command: a bar with a line of text on a terminal, elsewhere a plain line every 10 s."""

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_PLAIN_LINE_SECONDS = 10.0


class LiveDisplay(ABC):
    """Shows `line()` during a `with` block; subclasses say what the line and the bar are.

    Attributes:
        console: Where to show it.
        started: When it was made, by `time.monotonic`.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = self._last_line = time.monotonic()
        self._said = ""
        self._live: Live | None = None

    @abstractmethod
    def line(self) -> str:
        """Return the state as one line of text."""

    @abstractmethod
    def done_and_total(self) -> tuple[int, int]:
        """Return how much is done and how much there is in all, for the bar."""

    def last_line(self) -> str:
        """Return the line that stays on the screen at the end; "" for none."""
        return self.line()

    def render(self) -> RenderableType:
        """Return what a terminal shows: a bar of 60 columns and, under it, the line."""
        return self.bar(self.line())

    def bar(self, words: str) -> RenderableType:
        """Return a bar of 60 columns with words under it."""
        done, total = self.done_and_total()
        grid = Table.grid()  # a bar alone ends without a line break, and the text would go on beside it
        grid.add_row(ProgressBar(total=max(total, 1), completed=done, width=60))
        # The commands' consoles do not break lines, for logs; here, what does not fit would be invisible.
        return Group(grid, Text(words, no_wrap=False, overflow="fold"))

    def say(self, *, at_once: bool = False) -> None:
        """Print the line if there is no terminal: at most every ten seconds, or `at_once`."""
        now = time.monotonic()
        if not self.console.is_terminal and (at_once or now - self._last_line > _PLAIN_LINE_SECONDS):
            self._last_line, self._said = now, self.line()
            self.print(self._said)

    def print(self, text: str) -> None:
        """Print a text as it is, brackets included, without line breaks."""
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self.render, console=self.console, refresh_per_second=4, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        if (words := self.last_line()) and words != self._said:
            self.print(words)
