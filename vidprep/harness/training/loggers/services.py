"""Weights & Biases and MLflow, where installed: by default offline, into the run's folder."""

import importlib
import os
import secrets
from pathlib import Path
from typing import Any

from vidprep.errors import HarnessError
from vidprep.files import write_whole
from vidprep.harness.training.loggers.interface import AboutRun

WANDB, MLFLOW = "wandb", "mlflow"  # folders in the run's folder
_PROJECT = "vidprep"
_ID = "vidprep-run-id"  # so that a run that goes on stays one run


class WandbRun:
    """A run of Weights & Biases, offline unless WANDB_MODE says otherwise; `wandb sync RUN/wandb/*` sends it.

    Args:
        about: The run. One that goes on keeps its id; W&B then shows its starts as one curve.
    """

    def __init__(self, about: AboutRun) -> None:
        wandb = _package("wandb")
        known = _known_id(about.run_dir / WANDB)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            id=known or secrets.token_hex(4),
            name=about.name or about.run_dir.name,
            notes=about.note,
            config=about.settings,
            dir=str(about.run_dir),
            mode=os.environ.get("WANDB_MODE", "offline"),
            resume="allow",
            settings=wandb.Settings(silent=True, console="off"),
        )
        _note_id(about.run_dir / WANDB, self._run.id)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log the values of a step."""
        self._run.log(values, step=step)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


class MlflowRun:
    """A run of MLflow, in files of the run's folder unless MLFLOW_TRACKING_URI says where else.

    `mlflow ui --backend-store-uri RUN/mlflow` shows it.

    Args:
        about: The run. One that goes on keeps its id.
    """

    def __init__(self, about: AboutRun) -> None:
        place = about.run_dir / MLFLOW
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if uri is None:
            # MLflow advises a database; a folder needs no other package, and moves with the run.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            uri = f"file:{place.absolute()}"
        self._client = _package("mlflow").MlflowClient(uri)
        self._id = _known_id(place) or self._begin(about)
        self._client.update_run(self._id, status="RUNNING")
        _note_id(place, self._id)

    def _begin(self, about: AboutRun) -> str:
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        known = self._client.get_experiment_by_name(project)
        experiment = known.experiment_id if known else self._client.create_experiment(project)
        tags = {"mlflow.note.content": about.note} if about.note else {}
        run = self._client.create_run(experiment, run_name=about.name or about.run_dir.name, tags=tags)
        for table, keys in about.settings.items():
            for key, value in keys.items() if isinstance(keys, dict) else [("", keys)]:
                self._client.log_param(run.info.run_id, f"{table}.{key}".rstrip("."), value)
        identity: str = run.info.run_id
        return identity

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log the values of a step."""
        for name, value in values.items():
            self._client.log_metric(self._id, name, value, step=step)

    def close(self) -> None:
        """End the run."""
        self._client.set_terminated(self._id)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise HarnessError(
            f"--logger {name} needs a package that is not installed ({error}): "
            "pip install 'vidprep[loggers]'."
        ) from error


def _known_id(folder: Path) -> str | None:
    path = folder / _ID
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def _note_id(folder: Path, identity: str) -> None:
    write_whole(folder / _ID, identity.encode())
