"""What a person sees while a build runs: a live display on a terminal, plain lines elsewhere."""

import threading
import time
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vidprep.durations import format_seconds
from vidprep.live_display import LiveDisplay

_MESSAGES = {
    "stopping": "Stopping when the videos in hand are done; Ctrl-C again: at once.",
    "no workers": "The scheduler has no workers yet; waiting for them.",
}


class BuildProgress(LiveDisplay):
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
        super().__init__(console)
        self._title = title
        self._num_videos = num_videos
        self._before = num_finished
        self._rejected_before = num_rejected
        self._videos: dict[int, int] = {}  # by shard, so that a shard begun again counts once
        self._rejected: dict[int, int] = {}
        self._workers: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if not self.console.is_terminal:
            self.print(f"{self._title}: {self._num_videos - self._before:,} videos to transcode.")
        return super().__enter__()

    def update(self, event: dict[str, Any]) -> None:
        """Take in one event of a build."""
        if event["event"] in _MESSAGES:
            self.print(_MESSAGES[event["event"]])
            return
        with self._lock:
            self._count(event)
        self.say()

    def line(self) -> str:
        """Return the state as one line of text."""
        finished, _ = self.done_and_total()
        seconds = time.monotonic() - self.started
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

    def done_and_total(self) -> tuple[int, int]:
        """Return the videos that are finished, and all."""
        return self._before + sum(self._videos.values()), self._num_videos

    def render(self) -> RenderableType:
        """Return bar, line, and what each worker is at."""
        with self._lock:
            table = Table.grid(padding=(0, 1))
            for worker, state in sorted(self._workers.items()):
                table.add_row(
                    Text(f"worker {worker}", style="dim"), Text(state, overflow="ellipsis", no_wrap=True)
                )
            return Group(super().render(), table)
