"""A file for TensorBoard with the lines of metrics.jsonl."""

import os
import socket
import time
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from vidprep.harness.run_folder import TENSORBOARD
from vidprep.harness.training.loggers.interface import AboutRun


class TensorBoardFile:
    """A file of scalars for TensorBoard, written in the calling thread.

    Torch's `SummaryWriter` writes in a thread of its own: the error of a full disk came minutes later, or
    never.

    Args:
        about: The run. Each start of it adds a file; TensorBoard then hides what earlier files say from the
            first step of this start on.
    """

    def __init__(self, about: AboutRun) -> None:
        folder = about.run_dir / TENSORBOARD
        folder.mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in folder.iterdir())  # two starts within a second are two files
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{number}"
        self._file = (folder / name).open("xb")
        self._records = RecordWriter(self._file)
        self._add(file_version="brain.Event:2")
        self._add(step=about.first_step, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, values: dict[str, float]) -> None:
        """Write the values of a step."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._add(step=step, summary=Summary(value=scalars))

    def close(self) -> None:
        """Close the file; all of it is written."""
        self._file.close()

    def _add(self, **fields: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())
        self._file.flush()
