"""A training run on disk.

    RUN/
      recipe.toml                     resolved, defaults included; what decides the result
      run.json                        shards, classes, initial weights; its starts, each with its environment
      metrics.jsonl                   a line every few steps, see `read_metrics`
      tensorboard/                    the same numbers for TensorBoard
      checkpoints/epoch-0005.pt       after 5 epochs; epoch-0000.pt is the network before training
      checkpoints/step-00001234.pt    within an epoch, after 1,234 optimiser steps in all
      lock                            held by the training that is at work

A file under `checkpoints/` has its name only when all of its bytes are on the disk.
"""

import json
import re
from pathlib import Path
from typing import Any

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


def epoch_checkpoints(run_dir: Path) -> dict[int, Path]:
    """Return the checkpoints that lie at the end of an epoch, by finished epochs, in order."""
    return _numbered(run_dir, _EPOCH_NAME)


def step_checkpoints(run_dir: Path) -> dict[int, Path]:
    """Return the checkpoints that lie within an epoch, by optimiser steps of the whole run, in order."""
    return _numbered(run_dir, _STEP_NAME)


def read_facts(run_dir: Path) -> dict[str, Any]:
    """Return what run.json says."""
    facts: dict[str, Any] = json.loads((run_dir / FACTS).read_text(encoding="utf-8"))
    return facts


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl; a last line that was cut short is left out.

    A line is about the steps since the one before it:

        step               optimiser steps of the whole run so far
        epoch              where that is, in epochs: 2.5 is the middle of the third
        lr                 learning rate of the last of these steps
        loss, top1         means over these steps' clips; top1 from 0 to 1
        clips_per_second   over all ranks together
        data_wait          share of the time, 0 to 1, in which rank 0 waited for clips
        seconds            of training so far, interruptions left out

    Raises:
        ValueError: If another line than the last is no JSON; the message has its number.
    """
    path = run_dir / METRICS
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a whole line ends with a line break
    return [_metrics_line(line, number) for number, line in enumerate(lines, start=1)]


def _metrics_line(text: str, number: int) -> dict[str, Any]:
    try:
        line: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    return line


def _numbered(run_dir: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    folder = run_dir / CHECKPOINTS
    paths = folder.iterdir() if folder.is_dir() else ()
    found = {int(match[1]): path for path in paths if (match := pattern.fullmatch(path.name))}
    return dict(sorted(found.items()))
