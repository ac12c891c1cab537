"""The state of a build in lines and tables; shown once, or again and again while it runs."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table

from vidprep.builder.progress.status import BuildStatus, read_status
from vidprep.builder.progress.worker_status import WorkerStatus, by_node
from vidprep.durations import format_seconds
from vidprep.live_display import LiveDisplay
from vidprep.shards.transfer.outline import is_url

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_ROWS = 24  # if there are more workers, those of a machine share a row
_NUM_NAMED = 4
_DISK_SECONDS, _STORE_SECONDS = 2.0, 10.0
_SHARE_OF_READING = 10  # a status that takes a second to read is read every ten seconds


def status_lines(name: str, state: BuildStatus) -> list[str]:
    """Return the state of a build in lines.

    Args:
        name: Its folder or URL.
        state: How far it is.
    """
    generation = f", generation {state.generation}" if state.generation > 1 else ""
    lines = [
        f"{name}: {state.state}{generation}",
        f"  shards    {state.num_shards_done:,} of {state.num_shards:,} done",
        f"  videos    {state.num_videos_done:,} of {state.num_videos:,} done, "
        f"{state.num_rejected:,} rejected, {state.num_missing:,} missing, {state.num_suspect:,} suspect",
    ]
    if state.eta_seconds is not None:
        lines.append(
            f"  speed     {state.videos_per_second:.1f} videos/s, ETA {format_seconds(state.eta_seconds)}"
        )
    if state.num_tasks_running:
        lines.append(f"  tasks     {state.num_tasks_running:,} of a job array at work")
    if state.log_problem:
        lines.append(f"  log       {state.log_problem}.")
    if state.state == "stopped":
        if state.last_event and state.last_event["event"] == "error":
            lines.append(f"  error     {state.last_event['message']}")
        lines.append("  Run the same build again to go on; of a job array, the tasks that were stopped.")
    return lines


def watch_status(place: Path | str, console: Console) -> BuildStatus:
    """Show the state of a build until it is complete, and return it then.

    A build that is stopped may be started again, so it is waited for.

    Args:
        place: Its folder or URL.
        console: Where to show it.

    Raises:
        BuildError: If there is no build.
        ShardError: If the store does not answer.
    """
    least = _STORE_SECONDS if is_url(place) else _DISK_SECONDS
    began = time.monotonic()
    display = _StatusDisplay(str(place), read_status(place), console)
    with display:
        while display.state.state != "complete":
            display.say(at_once=display.state.state != display.shown)
            time.sleep(max(least, _SHARE_OF_READING * (time.monotonic() - began)))
            began = time.monotonic()
            display.state = read_status(place)
    return display.state


class _StatusDisplay(LiveDisplay):
    """Shows the last state that was read.

    Attributes:
        state: The state that was read last.
        shown: The word for the state ("running", ...) that `line` returned last.
    """

    def __init__(self, name: str, state: BuildStatus, console: Console) -> None:
        super().__init__(console)
        self._name = name
        self.state = state
        self.shown = ""

    def line(self) -> str:
        """Return the state as one line, and one for each worker or machine."""
        self.shown = self.state.state
        return "\n".join([self._head(), *map(_worker_line, _rows(self.state.workers))])

    def _head(self) -> str:
        now = self.state
        parts = [
            f"{self._name}: {now.state}",
            f"{now.num_shards_done:,} / {now.num_shards:,} shards",
            f"{now.num_videos_done:,} / {now.num_videos:,} videos",
            f"{now.num_rejected:,} rejected",
        ]
        if now.eta_seconds is not None:
            parts += [f"{now.videos_per_second:.1f} videos/s", f"ETA {format_seconds(now.eta_seconds)}"]
        return ", ".join(parts)

    def last_line(self) -> str:
        """Return nothing: the lines of a complete build follow."""
        return ""

    def done_and_total(self) -> tuple[int, int]:
        """Return the videos that are done, and all."""
        return self.state.num_videos_done, self.state.num_videos

    def render(self) -> RenderableType:
        """Return bar and line, and a table of the workers or machines."""
        bar = self.bar(self._head())
        rows = _rows(self.state.workers)
        return Group(bar, _table(rows)) if rows else bar


def _rows(workers: "Sequence[WorkerStatus]") -> "Sequence[WorkerStatus]":
    return workers if len(workers) <= _MOST_ROWS else by_node(workers)


def _table(rows: "Sequence[WorkerStatus]") -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("node")
    table.add_column("worker", style="dim", no_wrap=True)
    for name in ("shard", "videos", "rejected", "videos/s", "ETA"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in rows:
        table.add_row(
            one.node,
            one.worker,
            _shards(one),
            f"{one.num_videos_done:,} of {one.num_videos:,}",
            f"{one.num_rejected:,}",
            f"{one.videos_per_second:.1f}",
            _eta(one),
        )
    return table


def _worker_line(one: WorkerStatus) -> str:
    videos = f"{one.num_videos_done:,} of {one.num_videos:,} videos, {one.num_rejected:,} rejected"
    rate = f"{one.videos_per_second:.1f} videos/s, ETA {_eta(one)}"
    return f"  {one.node} {one.worker}: shard {_shards(one)}, {videos}, {rate}"


def _shards(one: WorkerStatus) -> str:
    named = ", ".join(str(shard) for shard in one.shards[:_NUM_NAMED])
    more = len(one.shards) - _NUM_NAMED
    return f"{named} and {more:,} more" if more > 0 else named or "none"


def _eta(one: WorkerStatus) -> str:
    return "-" if one.eta_seconds is None else format_seconds(one.eta_seconds)
