"""log.jsonl: what happened during a build, one JSON object a line; appended to by every run."""

import contextlib
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, model_validator

from vidprep.builder.workspace.paths import log_path
from vidprep.shards.ledger import REASONS

# The fields that each kind of event has besides the time. A video's may also have its size, a suspicion, or
# a reason and its detail.
_FIELDS = {
    "start": {"host", "pid", "num_pending"},
    "shard": {"shard", "split", "num_videos", "worker"},
    "video": {"shard", "key", "source", "seconds", "worker"},
    "done": {"shard"},
    "retries": {"num_retries", "worker"},
    "no time": {"shard", "source", "seconds", "seconds_left", "worker"},
    "no workers": {"address"},
    "dashboard": {"address"},
    "stop": {"num_done"},
    "error": {"message"},
}
CUT_SHORT = "cut short"  # the problem of a last line without a line break
_NUM_NAMED = 3  # damaged lines that a message names one by one


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    time: str
    event: str
    host: str = ""
    pid: NonNegativeInt = 0
    num_pending: NonNegativeInt = 0
    shard: NonNegativeInt = 0
    split: str = ""
    num_videos: NonNegativeInt = 0
    worker: str = ""
    key: str = ""
    source: str = ""
    seconds: float = 0.0
    size_bytes: NonNegativeInt = 0
    seconds_left: float = 0.0
    num_retries: NonNegativeInt = 0
    reason: str | None = None
    detail: str = ""
    suspect: str = ""
    address: str = ""
    num_done: NonNegativeInt = 0
    message: str = ""

    @model_validator(mode="after")
    def _is_one_of_a_build(self) -> Self:
        if self.event not in _FIELDS:
            raise ValueError(f"event {self.event!r} is not an event of a build")
        if missing := _FIELDS[self.event] - self.model_fields_set:
            raise ValueError(f"{self.event!r} without {', '.join(sorted(missing))}")
        if datetime.fromisoformat(self.time).tzinfo is None:
            raise ValueError(f"the time {self.time} has no time zone")
        if self.reason is not None and self.reason not in REASONS:
            raise ValueError(f"{self.reason!r} is not a reason of a rejection")
        return self


class LogFile(NamedTuple):
    """What log.jsonl holds.

    Attributes:
        events: As they were written, in order.
        problems: The lines that cannot be read and why, in words; the last one may still be being written.
    """

    events: list[dict[str, Any]]
    problems: list[str]


class BuildLog:
    """Appends events to the log of a build; safe to use from several threads."""

    def __init__(self, out_dir: Path) -> None:
        log_path(out_dir).parent.mkdir(parents=True, exist_ok=True)
        self._file = log_path(out_dir).open("a", encoding="utf-8", buffering=1)
        if _ends_in_mid_line(log_path(out_dir)):
            self._file.write("\n")  # a crash cut the last line off: begin a new one
        self._lock = threading.Lock()

    def write(self, event: dict[str, Any]) -> None:
        """Append one event with the time."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event})
        # A full disk is the business of the shard that meets it, with a message of its own.
        with self._lock, contextlib.suppress(OSError):
            self._file.write(line + "\n")

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def _ends_in_mid_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read() not in (b"", b"\n")


def read_log(out_dir: Path) -> list[dict[str, Any]]:
    """Read all events; lines that cannot be read are left out, see `scan_log`."""
    return scan_log(out_dir).events


def scan_log(out_dir: Path) -> LogFile:
    """Read all events of a build, and say which lines are cut short or damaged."""
    if not log_path(out_dir).is_file():
        return LogFile([], [])
    events: list[dict[str, Any]] = []
    problems = []
    *lines, rest = log_path(out_dir).read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            _Event.model_validate_json(line)
            events.append(json.loads(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place, text = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
            problems.append(f"line {number}: {place + ': ' if place else ''}{text}")
    if rest:
        problems.append(f"line {len(lines) + 1}: {CUT_SHORT}")
    return LogFile(events, problems)


def describe_problems(out_dir: Path, problems: list[str]) -> str:
    """Say in a sentence which lines of the log cannot be read."""
    named = "; ".join(problems[:_NUM_NAMED])
    more = f"; and {len(problems) - _NUM_NAMED:,} more" if len(problems) > _NUM_NAMED else ""
    return f"{log_path(out_dir)} holds lines that cannot be read ({named}{more}): their events are left out"
