"""log.jsonl: what happened during a build, one JSON object a line; appended to by every run."""

import contextlib
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidprep.builder.workspace import log_path


class BuildLog:
    """Appends events to the log of a build; safe to use from several threads."""

    def __init__(self, out_dir: Path) -> None:
        log_path(out_dir).parent.mkdir(parents=True, exist_ok=True)
        self._file = log_path(out_dir).open("a", encoding="utf-8", buffering=1)
        if _ends_in_mid_line(log_path(out_dir)):
            self._file.write("\n")  # else the next event would be lost with the one that a crash cut
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
    """Read all events; a last line that was cut by a crash is left out."""
    if not log_path(out_dir).is_file():
        return []
    events = []
    for line in log_path(out_dir).read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
