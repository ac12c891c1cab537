"""A training run on disk.

    RUN/
      recipe.toml                     resolved, defaults included; what decides the result
      run.json                        shards, classes, initial weights; its starts, each with its environment
      metrics.jsonl                   a line every few steps, see `read_metrics`
      tensorboard/                    the same numbers for TensorBoard
      checkpoints/epoch-0005.pt       after 5 epochs; epoch-0000.pt is the network before training
      checkpoints/best.pt             after the epoch that was best on validation, with --keep-best
      checkpoints/step-00001234.pt    within an epoch, after 1,234 optimiser steps in all
      lock                            held by the training that is at work

A file under `checkpoints/` has its name only when all of its bytes are on the disk.
"""

import json
import re
from pathlib import Path
from typing import Any

from vidprep.errors import HarnessError
from vidprep.harness.run_records import facts_problem, scan_metrics

RECIPE = "recipe.toml"
FACTS = "run.json"
METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
CHECKPOINTS = "checkpoints"
LOCK = "lock"

_EPOCH_NAME = re.compile(r"epoch-(\d{4,})\.pt")
_STEP_NAME = re.compile(r"step-(\d{8,})\.pt")


def epoch_checkpoint_path(run_dir: Path, epoch: int) -> Path:
    """Return where the checkpoint after `epoch` whole epochs lies."""
    return run_dir / CHECKPOINTS / f"epoch-{epoch:04d}.pt"


def step_checkpoint_path(run_dir: Path, step: int) -> Path:
    """Return where the checkpoint after `step` optimiser steps of the whole run lies."""
    return run_dir / CHECKPOINTS / f"step-{step:08d}.pt"


def best_checkpoint_path(run_dir: Path) -> Path:
    """Return where the checkpoint of the epoch lies that was best on the validation split."""
    return run_dir / CHECKPOINTS / "best.pt"


def epoch_checkpoints(run_dir: Path) -> dict[int, Path]:
    """Return the checkpoints that lie at the end of an epoch, by finished epochs, in order."""
    return _numbered(run_dir, _EPOCH_NAME)


def step_checkpoints(run_dir: Path) -> dict[int, Path]:
    """Return the checkpoints that lie within an epoch, by optimiser steps of the whole run, in order."""
    return _numbered(run_dir, _STEP_NAME)


def read_facts(run_dir: Path) -> dict[str, Any]:
    """Return what run.json says.

    Raises:
        HarnessError: If it is not what a training writes.
        OSError: If it cannot be read.
    """
    path = run_dir / FACTS
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        problem = facts_problem(facts)
    except ValueError as error:
        problem = str(error)
    if problem is not None:
        raise HarnessError(
            f"{path} is damaged ({problem}). Delete it and --resume: only what it says of the earlier starts "
            "is lost."
        )
    return facts


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl; a last line that was cut short is left out, see `torn_line`.

    A line is about the steps since the one before it:

        step               optimiser steps of the whole run so far
        epoch              where that is, in epochs: 2.5 is the middle of the third
        lr                 learning rate of the last of these steps
        loss, top1         means over these steps' clips; top1 from 0 to 1
        clips_per_second   over all ranks together
        data_wait          share of the time, 0 to 1, in which rank 0 waited for clips
        seconds            of training so far, interruptions left out

    After an epoch that was validated there is a line with step, epoch and

        validation_loss, validation_top1, validation_top5    means over the videos, of the sum of their views
        validation_videos                                    that were evaluated
        validation_seconds                                   that it took

    Raises:
        HarnessError: If a whole line is not one that a training writes; the message gives its number.
    """
    found = scan_metrics(run_dir / METRICS)
    if found.problems:
        raise HarnessError(
            f"{run_dir / METRICS} holds a line that no training wrote ({found.problems[0]}). Delete that "
            "line and --resume."
        )
    return found.lines


def torn_line(run_dir: Path) -> str | None:
    """Return a sentence if the last line of metrics.jsonl was cut short (crash, full disk), else None.

    While a training runs, that line may just be in the course of being written.
    """
    number = scan_metrics(run_dir / METRICS).torn
    return None if number is None else f"{METRICS}, line {number}, was cut short and is left out"


def _numbered(run_dir: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    folder = run_dir / CHECKPOINTS
    paths = folder.iterdir() if folder.is_dir() else ()
    found = {int(match[1]): path for path in paths if (match := pattern.fullmatch(path.name))}
    return dict(sorted(found.items()))
