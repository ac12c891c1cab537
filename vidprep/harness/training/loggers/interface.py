"""What a logger is: it takes the numbers of a step, and is closed at the end. Which ones there are."""

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
        """Take the values of a step; lines of training and of validation may be of the same one."""

    def close(self) -> None:
        """Write what is left; nothing is written after it."""


@dataclass(frozen=True)
class AboutRun:
    """What a logger may say of a run.

    Attributes:
        run_dir: Its folder.
        first_step: The first one of this start; what was logged from it on is to be forgotten.
        known: Lines of metrics.jsonl before it.
        name: What a person calls the run.
        note: What a person says of it.
        settings: Its recipe, by table and key.
    """

    run_dir: Path
    first_step: int = 1
    known: Sequence[dict[str, Any]] = ()
    name: str | None = None
    note: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def check_loggers(names: Sequence[str]) -> tuple[LoggerName, ...]:
    """Return names that are those of loggers.

    Raises:
        HarnessError: If one is not.
    """
    known: dict[str, LoggerName] = {name: name for name in get_args(LoggerName)}
    for name in names:
        if name not in known:
            raise HarnessError(f"--logger {name}: there is no such logger. Choose from {', '.join(known)}.")
    return tuple(known[name] for name in names)


def open_loggers(names: Sequence[LoggerName], about: AboutRun) -> list[Logger]:
    """Open loggers for a start of a run, each once.

    Raises:
        HarnessError: If a package is not installed.
    """
    return [_openers()[name](about) for name in dict.fromkeys(names)]


def _openers() -> dict[str, Callable[[AboutRun], Logger]]:
    from vidprep.harness.training.loggers.csv_file import CsvFile
    from vidprep.harness.training.loggers.services import MlflowRun, WandbRun
    from vidprep.harness.training.loggers.tensorboard_file import TensorBoardFile

    return {"tensorboard": TensorBoardFile, "csv": CsvFile, "wandb": WandbRun, "mlflow": MlflowRun}
