"""What a person sees while a network is evaluated: a bar on a terminal, plain lines elsewhere."""

import time

from rich.console import Console

from vidprep.durations import format_seconds
from vidprep.live_display import LiveDisplay


class EvalProgress(LiveDisplay):
    """Shows how far one rank is; the others have as many videos, give or take one.

    Args:
        world_size: Ranks that share the videos.
        console: Where to show it.
    """

    def __init__(self, world_size: int, console: Console) -> None:
        super().__init__(console)
        self._whose = "" if world_size == 1 else f" of rank 0 of {world_size}"
        self._done = self._total = 0

    def update(self, done: int, total: int) -> None:
        """Note how many videos are done."""
        self._done, self._total = done, total
        if done < total:
            self.say()

    def line(self) -> str:
        """Return the state as one line of text."""
        if not self._total:
            return "Reading the checkpoint and the shards."
        seconds = time.monotonic() - self.started
        rate = self._done / seconds if seconds > 0 else 0.0
        left = self._total - self._done
        when = f"ETA {format_seconds(left / rate)}" if left and rate else f"in {format_seconds(seconds)}"
        return f"{self._done:,} / {self._total:,} videos{self._whose}, {rate:.2f} videos/s, {when}"

    def done_and_total(self) -> tuple[int, int]:
        """Return the videos of this rank that are done, and all it has."""
        return self._done, self._total

    def last_words(self) -> str:
        """Return the line, if there were videos."""
        return self.line() if self._total else ""
