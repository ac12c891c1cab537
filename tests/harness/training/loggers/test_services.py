"""Runs of Weights & Biases and MLflow, offline, read back by their own libraries; the CSV."""

import csv
import importlib.util
import json
import subprocess
import sys

import pytest

from vidprep.errors import HarnessError
from vidprep.harness.training.loggers import services
from vidprep.harness.training.loggers.interface import AboutRun, check_loggers, open_loggers
from vidprep.harness.training.loggers.metrics import MetricsLog

SETTINGS = {"optimisation": {"lr": 0.01, "milestones": [15, 30]}, "name": "demo"}


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def log_two_starts(run_dir, logger) -> None:
    """A run that is stopped after step 20 and goes on after step 10, in processes of their own."""
    code = (
        "import sys, json; from pathlib import Path\n"
        "from vidprep.harness.training.loggers.metrics import MetricsLog\n"
        "start, steps = int(sys.argv[3]), json.loads(sys.argv[4])\n"
        "with MetricsLog(Path(sys.argv[1]), start, [sys.argv[2]], name='mine', note='a try',\n"
        f"                settings={SETTINGS!r}) as log:\n"
        "    for step in steps:\n"
        "        log.write({'step': step, 'loss': 1 / step, 'top1': 0.5})\n"
        "    log.write({'step': steps[-1], 'validation_top1': 0.25})\n"
    )
    for start, steps in ((0, [10, 20]), (20, [30, 40])):
        words = [sys.executable, "-c", code, str(run_dir), logger, str(start), json.dumps(steps)]
        subprocess.run(words, check=True, capture_output=True, timeout=200)


def records(data):
    """The records of W&B's file: LevelDB's log, parts in blocks of 32 KB, after a head of 7 bytes."""
    at, whole = 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if left < 7 or not kind:
            at += left
            continue
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


@pytest.mark.slow
@needs("wandb")
def test_wandb_reads_back_what_was_logged_offline(tmp_path):
    from wandb.proto import wandb_internal_pb2

    log_two_starts(tmp_path, "wandb")
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    rows, runs = [], []
    for path in files:
        for data in records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                runs.append(record.run)
            if record.HasField("history"):
                rows.append({item.nested_key[0] if item.nested_key else item.key: json.loads(item.value_json)
                             for item in record.history.item})  # fmt: skip
    assert len({run.run_id for run in runs}) == 1
    assert (runs[0].display_name, runs[0].notes, runs[0].project) == ("mine", "a try", "vidprep")
    config = {item.key: json.loads(item.value_json) for item in runs[0].config.update}
    assert config["optimisation"]["lr"] == 0.01
    assert [row["_step"] for row in rows] == [10, 20, 30, 40]
    assert [row["loss"] for row in rows] == [1 / step for step in (10, 20, 30, 40)]
    assert [row.get("validation_top1") for row in rows] == [None, 0.25, None, 0.25]


@pytest.mark.slow
@needs("mlflow")
def test_mlflow_reads_back_what_was_logged(tmp_path, monkeypatch):
    log_two_starts(tmp_path, "mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    code = (
        "import json, sys, mlflow; client = mlflow.MlflowClient('file:' + sys.argv[1])\n"
        "experiment = client.get_experiment_by_name('vidprep')\n"
        "(run,) = client.search_runs([experiment.experiment_id])\n"
        "history = client.get_metric_history(run.info.run_id, 'loss')\n"
        "print(json.dumps([run.info.run_name, run.info.status, run.data.params, run.data.tags,\n"
        "                  [[point.step, point.value] for point in history], run.data.metrics]))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "mlflow")]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=200)
    name, status, params, tags, history, metrics = json.loads(done.stdout.splitlines()[-1])
    assert (name, status) == ("mine", "FINISHED")
    assert params["optimisation.lr"] == "0.01" and params["name"] == "demo"
    assert tags["mlflow.note.content"] == "a try"
    assert history == [[step, 1 / step] for step in (10, 20, 30, 40)]
    assert metrics["validation_top1"] == 0.25


def test_csv_holds_the_lines_and_forgets_what_is_trained_again(tmp_path):
    with MetricsLog(tmp_path, 0, ["csv"]) as log:
        log.write({"step": 10, "epoch": 1.0, "loss": 2.0})
        log.write({"step": 10, "epoch": 1.0, "validation_top1": 0.5})
        log.write({"step": 20, "epoch": 2.0, "loss": 1.0})
    with MetricsLog(tmp_path, 10, ["csv", "csv"]) as log:
        log.write({"step": 20, "epoch": 2.0, "loss": 0.5})
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["loss"], row["validation_top1"]) for row in rows] == [
        ("10", "2.0", ""),
        ("10", "", "0.5"),
        ("20", "0.5", ""),
    ]
    assert not (tmp_path / "tensorboard").exists()


def test_a_package_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(services, "importlib", type("none", (), {"import_module": _refuse}))
    for name in ("wandb", "mlflow"):
        with pytest.raises(HarnessError, match=rf"--logger {name} needs a package .*vidprep\[loggers\]"):
            open_loggers([name], AboutRun(tmp_path))


def test_a_logger_that_there_is_not():
    with pytest.raises(
        HarnessError, match=r"--logger tensorbord: there is no such logger. Choose from tensorboard, csv, w"
    ):
        check_loggers(["csv", "tensorbord"])


def _refuse(name):
    raise ImportError(f"No module named {name!r}")
