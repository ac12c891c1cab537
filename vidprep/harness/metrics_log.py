"""metrics.jsonl and TensorBoard: the same numbers, written by the first rank alone."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from vidprep.files import write_whole
from vidprep.harness.run_folder import METRICS, TENSORBOARD, read_metrics


class MetricsLog:
    """Appends lines; a run that goes on first forgets the lines after its checkpoint, and writes them again.

    Args:
        run_dir: The run.
        total_steps: Where it goes on.
    """

    def __init__(self, run_dir: Path, total_steps: int) -> None:
        known = [line for line in read_metrics(run_dir) if line["step"] <= total_steps]
        write_whole(run_dir / METRICS, "".join(map(_format, known)).encode())
        self._file = (run_dir / METRICS).open("a", encoding="utf-8")
        self._board = SummaryWriter(run_dir / TENSORBOARD, purge_step=total_steps + 1)

    def write(self, line: dict[str, Any]) -> None:
        """Write one line, see `run_folder.read_metrics`."""
        self._file.write(_format(line))
        self._file.flush()
        for name, value in line.items():
            if name != "step":
                self._board.add_scalar(name, value, line["step"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._board.close()


def _format(line: dict[str, Any]) -> str:
    return json.dumps(line) + "\n"
