"""What a logger is, and which there are: it takes the numbers of each step, and is closed at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from vidprep.errors import HarnessError

LoggerName = Literal["tensorboard", "csv", "wandb", "mlflow"]
DEFAULT: tuple[LoggerName, ...] = ("tensorboard",)


class Logger(Protocol):
    """Takes the lines of metrics.jsonl as they are written."""

    def write(self, step: int, values: dict[str, float]) -> None:
        """Take the values of a step; a step may get one line of training and one of validation."""

    def close(self) -> None:
        """Write what is left, and end; `write` is not called after it."""


@dataclass(frozen=True)
class AboutRun:
    """What a logger is told of a run.

    Attributes:
        run_dir: Folder of the run.
        first_step: First step of this start; what an earlier start logged from this step on is out of date.
        known: Lines of metrics.jsonl before that step.
        name: Name that the user gave the run.
        note: Remark of the user on it.
        settings: The recipe of the run, by table and key.
    """

    run_dir: Path
    first_step: int = 1
    known: Sequence[dict[str, Any]] = ()
    name: str | None = None
    note: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def check_loggers(names: Sequence[str]) -> tuple[LoggerName, ...]:
    """Return the names after making sure that each is one of a logger.

    Raises:
        HarnessError: If one is not.
    """
    known: dict[str, LoggerName] = {name: name for name in get_args(LoggerName)}
    for name in names:
        if name not in known:
            raise HarnessError(f"--logger {name}: there is no such logger. Choose from {', '.join(known)}.")
    return tuple(known[name] for name in names)


def open_loggers(names: Sequence[LoggerName], about: AboutRun) -> list[Logger]:
    """Open the loggers of a start of a run; a name that is there twice is opened once.

    Raises:
        HarnessError: If the package of a logger is not installed.
    """
    return [_openers()[name](about) for name in dict.fromkeys(names)]


def _openers() -> dict[str, Callable[[AboutRun], Logger]]:
    from vidprep.harness.training.loggers.csv_file import CsvFile
    from vidprep.harness.training.loggers.services import MlflowRun, WandbRun
    from vidprep.harness.training.loggers.tensorboard_file import TensorBoardFile

    return {"tensorboard": TensorBoardFile, "csv": CsvFile, "wandb": WandbRun, "mlflow": MlflowRun}
