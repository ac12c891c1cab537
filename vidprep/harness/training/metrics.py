"""metrics.jsonl and TensorBoard: the same numbers, written by the first rank alone."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from vidprep.errors import HarnessError
from vidprep.files import write_whole
from vidprep.harness.run_folder import METRICS, TENSORBOARD, read_metrics


class MetricsLog:
    """Appends lines; a run that goes on first forgets the lines after its checkpoint, and writes them again.

    Args:
        run_dir: The run.
        total_steps: Where it goes on.
    """

    def __init__(self, run_dir: Path, total_steps: int) -> None:
        known = _lines_until(run_dir, total_steps)
        write_whole(run_dir / METRICS, "".join(map(_format, known)).encode())
        self._path = run_dir / METRICS
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(run_dir / TENSORBOARD, purge_step=total_steps + 1)

    def write(self, line: dict[str, Any]) -> None:
        """Write one line, see `run_folder.read_metrics`."""
        with self._full_disk_has_a_path():
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
        # Closing writes what is left, and fails again where writing failed; the first error counts.
        with suppress(OSError) if error else self._full_disk_has_a_path(), ExitStack() as stack:
            stack.callback(self._file.close)
            stack.callback(self._board.close)

    @contextmanager
    def _full_disk_has_a_path(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise


def _lines_until(run_dir: Path, total_steps: int) -> list[dict[str, Any]]:
    try:
        return [line for line in read_metrics(run_dir) if line["step"] <= total_steps]
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"{run_dir / METRICS} holds a line that is none of a training ({error}). Delete that line and "
            "--resume."
        ) from error


def _format(line: dict[str, Any]) -> str:
    return json.dumps(line) + "\n"
