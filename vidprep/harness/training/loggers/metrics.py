"""metrics.jsonl, and the same numbers for other loggers: written by the first rank alone."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vidprep.files import write_whole
from vidprep.harness.run_folder import METRICS, read_metrics
from vidprep.harness.training.loggers.interface import DEFAULT, AboutRun, LoggerName, open_loggers


class MetricsLog:
    """Appends lines to metrics.jsonl; a run that goes on first deletes the lines after its checkpoint.

    Args:
        run_dir: Folder of the run.
        total_steps: Steps of the checkpoint that it goes on from.
        loggers: Loggers that get the lines, too.
        about: `name`, `note` and `settings` of the run, see `AboutRun`.

    Raises:
        HarnessError: If a line is damaged, or a logger's package is not installed.
    """

    def __init__(
        self,
        run_dir: Path,
        total_steps: int,
        loggers: Sequence[LoggerName] = DEFAULT,
        **about: Any,
    ) -> None:
        known = [line for line in read_metrics(run_dir) if line["step"] <= total_steps]
        write_whole(run_dir / METRICS, "".join(map(_format, known)).encode())
        self._path = run_dir / METRICS
        self._file = self._path.open("a", encoding="utf-8")
        self._loggers = open_loggers(loggers, AboutRun(run_dir, total_steps + 1, known, **about))

    def write(self, line: dict[str, Any]) -> None:
        """Write one line, see `run_folder.read_metrics`."""
        with self._name_file_if_disk_is_full():
            self._file.write(_format(line))
            self._file.flush()
            values = {name: value for name, value in line.items() if name != "step"}
            for logger in self._loggers:
                logger.write(line["step"], values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing writes what is left, and fails again where writing failed; the first error counts.
        with suppress(OSError) if error else self._name_file_if_disk_is_full(), ExitStack() as stack:
            stack.callback(self._file.close)
            for logger in self._loggers:
                stack.callback(logger.close)

    @contextmanager
    def _name_file_if_disk_is_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise


def _format(line: dict[str, Any]) -> str:
    return json.dumps(line) + "\n"
