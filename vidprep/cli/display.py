"""The progress of long commands (a bar on a terminal, plain lines elsewhere), and a set's accounting.

Nothing here imports torch, so that a command shows something before torch is loaded.
"""

import threading
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vidprep.durations import format_seconds
from vidprep.live_display import LiveDisplay

if TYPE_CHECKING:
    import pyarrow as pa

    from vidprep.harness.training.checkpoints import Position
    from vidprep.harness.training.state import TrainEvent


_BUILD_MESSAGES = {
    "stopping": "Stopping when the videos in hand are done; Ctrl-C again: at once.",
    "no list": "Warning: no annotation list for the {split} split; the shard set will have none.",
    "archive": "Listing {name}; this is done once.",
    "archive problem": "Warning: {problem}. Its other videos are built.",
    "planned anew": "Planned anew, as no shard was finished yet: {difference}.",
    "unlisted": "Warning: {num_videos:,} videos are in no list of checksums, unchecked, e.g. {example}.",
    "not create-only": "Warning: {url} is in a store that cannot refuse to overwrite an object. Another "
    "build there is noticed, unless it begins in the same second.",
    "no workers": "The scheduler has no workers yet; waiting for them.",
    "dashboard": "Dask's dashboard: {address}",
    "metrics": "Metrics for Prometheus: {address}",
    "no time": "Worker {worker} begins no video any more: {source} would need about {seconds:,.0f} s, "
    "its job ends in {seconds_left:,.0f} s.",
}


_COUNTED = ("shard", "video", "done")


class StepProgress(LiveDisplay):
    """Shows the steps of a command.

    Args:
        num_steps: Number of all steps, those of an earlier run included; 0 if `update` will tell.
        unit: Name of the steps, in the plural.
        console: Where to show it.
    """

    def __init__(self, num_steps: int, unit: str, console: Console) -> None:
        super().__init__(console)
        self._num_steps = num_steps
        self._unit = unit
        self._finished = self._made = 0
        self._what = "starting"

    def update(self, finished: int, total: int, what: str) -> None:
        """Note a step of a caller that knows how many there are.

        Args:
            finished: Steps so far.
            total: All steps.
            what: The step that was made, for people.
        """
        self._num_steps = total
        self.step(finished, what)

    def step(self, finished: int, what: str) -> None:
        """Note that one more step was made.

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
        if not self._num_steps:
            return self._what
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

    def last_line(self) -> str:
        """Return nothing: the last step was printed already."""
        return ""


class TrainProgress(LiveDisplay):
    """Shows the progress of a training run.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._start: Position | None = None
        self._now: Position | None = None
        self._epochs = 0
        self._line: dict[str, Any] = {}

    def update(self, event: "TrainEvent") -> None:
        """Take in one event of a training run."""
        from vidprep.harness.training.state import (  # imports torch, which is loaded by now
            EndForeseen,
            MetricsWritten,
            StepDone,
            Stopping,
        )

        if isinstance(event, StepDone):
            self._now = event.position
        elif isinstance(event, MetricsWritten):
            if "validation_top1" in event.line:
                self.print(_validation_sentence(event.line))
            else:
                self._line = event.line
                self.say()
        elif isinstance(event, Stopping):
            self.print(f"{event.signal_name}: stopping after the step in hand; Ctrl-C again: at once.")
        elif isinstance(event, EndForeseen):
            self.print(event.sentence)
        else:
            self._start = self._now = event.position
            self._epochs, self.started = event.epochs, time.monotonic()
            for sentence in event.description:
                self.print(sentence)
            for warning in event.warnings:
                self.console.print(warning, soft_wrap=True, style="yellow", markup=False)

    def line(self) -> str:
        """Return the state as one line."""
        now, parts = self._now, []
        if now is None or self._start is None:
            return "Reading the shards and setting up the network."
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
        if self._now is None:
            return 0, 1
        return self._now.total_steps, self._epochs * self._now.per_epoch

    def last_line(self) -> str:
        """Return the line, if there were steps."""
        return self.line() if self._now else ""


def _validation_sentence(line: dict[str, Any]) -> str:
    return (
        f"After epoch {line['epoch']:.0f}: validation top-1 {line['validation_top1']:.2%}, top-5 "
        f"{line['validation_top5']:.2%}, loss {line['validation_loss']:.3f}, over "
        f"{line['validation_videos']:,.0f} videos"
    )


class EvalProgress(LiveDisplay):
    """Shows the progress of one rank of an evaluation; all have as many videos, give or take one.

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

    def last_line(self) -> str:
        """Return the line, if there were videos."""
        return self.line() if self._total else ""


class BuildProgress(LiveDisplay):
    """Counts the events of a build and shows them.

    Args:
        console: Where to show them.
        verb: What is done to the videos, e.g. "to transcode".
    """

    def __init__(self, console: Console, verb: str = "to transcode") -> None:
        super().__init__(console)
        self._verb = verb
        self._title = ""  # until something is planned
        self._num_videos = self._before = self._rejected_before = 0
        self._videos: dict[int, int] = {}  # by shard, so that a shard begun again counts once
        self._rejected: dict[int, int] = {}
        self._workers: dict[str, str] = {}
        self._lock = threading.RLock()  # a signal handler may report an event while another one is handled

    def update(self, event: dict[str, Any]) -> None:
        """Take in one event of a build."""
        kind = event["event"]
        if kind in _BUILD_MESSAGES:
            self.print(_BUILD_MESSAGES[kind].format(**event))
        elif kind == "planned":
            self._begin(event)
        elif kind in _COUNTED:
            with self._lock:
                self._count(event)
            self.say()

    def _begin(self, event: dict[str, Any]) -> None:
        self._title, self._num_videos = event["name"], event["num_videos"]
        self._before, self._rejected_before = event["num_finished"], event["num_rejected"]
        self.started = time.monotonic()
        if not self.console.is_terminal:
            self.print(f"{self._title}: {self._num_videos - self._before:,} videos {self._verb}.")

    def last_line(self) -> str:
        """Return the line, if something was to be built."""
        return self.line() if self._title else ""

    def line(self) -> str:
        """Return the state as one line of text."""
        if not self._title:
            return "Reading annotations and looking for videos."
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
        """Return bar, line, and what each worker is doing."""
        with self._lock:
            table = Table.grid(padding=(0, 1))
            for worker, state in sorted(self._workers.items()):
                table.add_row(
                    Text(f"worker {worker}", style="dim"), Text(state, overflow="ellipsis", no_wrap=True)
                )
            return Group(super().render(), table)


def accounting_table(ledger: "pa.Table") -> Table:
    """Return annotated, used, missing and rejected per split, and a line per reason of rejection."""
    from vidprep.recipes.manifests import SPLITS

    rows = ledger.select(["split", "status", "reason"]).to_pandas()
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for split in SPLITS:
        table.add_column(split, justify="right")
    table.add_row("annotated", *(f"{int((rows['split'] == split).sum()):,}" for split in SPLITS))
    for status in ("used", "missing", "rejected"):
        chosen = rows[rows["status"] == status]
        table.add_row(status, *(f"{int((chosen['split'] == split).sum()):,}" for split in SPLITS))
    rejected = rows[rows["status"] == "rejected"]
    for reason in sorted(set(rejected["reason"])):
        chosen = rejected[rejected["reason"] == reason]
        table.add_row(f"  {reason}", *(f"{int((chosen['split'] == split).sum()):,}" for split in SPLITS))
    return table
