"""What a person sees while a build runs: a live display on a terminal, plain lines elsewhere."""

import threading
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vidprep.durations import format_seconds
from vidprep.progress_bar import bar_over_line

_PLAIN_LINE_SECONDS = 10.0
_MESSAGES = {
    "stopping": "Stopping when the videos in hand are done; Ctrl-C again: at once.",
    "no workers": "The scheduler has no workers yet; waiting for them.",
}


class BuildProgress:
    """Counts the events of a build and shows them.

    Args:
        title: Of the shard set.
        num_videos: To transcode in all, finished ones included.
        num_finished: Of those, in shards that an earlier run finished.
        num_rejected: Rejected so far, before this run.
    """

    def __init__(
        self, title: str, *, num_videos: int, num_finished: int, num_rejected: int, console: Console
    ) -> None:
        self._title = title
        self._num_videos = num_videos
        self._before = num_finished
        self._rejected_before = num_rejected
        self._console = console
        self._started = self._last_line = time.monotonic()
        self._videos: dict[int, int] = {}  # by shard, so that a shard begun again counts once
        self._rejected: dict[int, int] = {}
        self._workers: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(f"{self._title}: {self._num_videos - self._before:,} videos to transcode.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        self._console.print(self.line())

    def update(self, event: dict[str, Any]) -> None:
        """Take in one event of a build."""
        if event["event"] in _MESSAGES:
            self._console.print(_MESSAGES[event["event"]], soft_wrap=True)
            return
        with self._lock:
            self._count(event)
        if not self._console.is_terminal and time.monotonic() - self._last_line > _PLAIN_LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(self.line())

    def line(self) -> str:
        """Return the state as one line of text."""
        finished = self._before + sum(self._videos.values())
        seconds = time.monotonic() - self._started
        rate = sum(self._videos.values()) / seconds if seconds > 0 else 0.0
        parts = [
            f"{self._title}: {finished:,} / {self._num_videos:,} videos",
            f"{rate:.1f} videos/s",
            f"{self._rejected_before + sum(self._rejected.values()):,} rejected",
        ]
        remaining = self._num_videos - finished
        if remaining and rate:
            parts.insert(2, f"ETA {format_seconds(remaining / rate)}")
        elif not remaining:
            parts.insert(2, f"in {format_seconds(seconds)}")
        return ", ".join(parts)

    def _count(self, event: dict[str, Any]) -> None:
        shard = event["shard"]
        if event["event"] == "shard":
            self._videos[shard] = self._rejected[shard] = 0
            self._workers[event["worker"]] = f"shard {shard} ({event['split']}), {event['num_videos']} videos"
        elif event["event"] == "video":
            self._videos[shard] += 1
            self._rejected[shard] += "reason" in event
            self._workers[event["worker"]] = (
                f"shard {shard}, video {self._videos[shard]}: {event['source']} ({event['seconds']:.1f} s)"
            )

    def _render(self) -> RenderableType:
        with self._lock:
            finished = self._before + sum(self._videos.values())
            table = Table.grid(padding=(0, 1))
            for worker, state in sorted(self._workers.items()):
                table.add_row(
                    Text(f"worker {worker}", style="dim"), Text(state, overflow="ellipsis", no_wrap=True)
                )
            return Group(bar_over_line(self.line(), completed=finished, total=self._num_videos), table)
