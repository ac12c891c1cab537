"""Several runs side by side: how far each is, its best and its latest accuracy, and which settings differ."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidprep.errors import HarnessError
from vidprep.harness.folder_lock import is_held
from vidprep.harness.run_folder import FACTS, LOCK, RECIPE, read_facts, read_metrics, torn_line

# What tells runs apart; shards and titles are the same for most.
_STAGES = ("train_clip", "model", "optimisation")


@dataclass(frozen=True)
class RunSummary:
    """One run.

    Attributes:
        path: Folder of the run.
        state: "running", "finished", "stopped", or "damaged: ..." with the reason.
        epoch: How far it is, in epochs.
        epochs: Epochs that it is planned for.
        loss: The loss in its last line of metrics; None before the first.
        best: Highest top-1 on the validation split so far, and its epoch; None if it was never validated.
        last: Top-1 on the validation split when it was validated last.
        settings: Settings of its recipe, and the seed, by `table.key`.
        name: Name that the user gave it.
        note: Remark of the user on it.
        torn: A sentence if the last line of its metrics was cut short; None: it is whole or being written.
    """

    path: Path
    state: str
    epoch: float = 0.0
    epochs: int = 0
    loss: float | None = None
    best: tuple[float, float] | None = None
    last: float | None = None
    settings: dict[str, Any] | None = None
    name: str | None = None
    note: str | None = None
    torn: str | None = None


def summarise_runs(folder: Path | str) -> list[RunSummary]:
    """Summarise all runs below a folder, in order of their paths; a damaged one says so in its state.

        for run in summarise_runs("runs"):
            print(run.path.name, run.state, run.epoch, run.best)

    Raises:
        HarnessError: If there is no run.
    """
    folder = Path(folder)
    found = sorted(path.parent for path in folder.rglob(FACTS))
    if not found:
        raise HarnessError(
            f"No run below {folder}: no {FACTS} of a training. Give the folder that holds runs."
        )
    return [_summarise(path) for path in found]


def differing_settings(runs: Sequence[RunSummary]) -> list[str]:
    """Return the `table.key` names whose values are not the same in all runs that can be read."""
    known = [run.settings for run in runs if run.settings is not None]
    names = dict.fromkeys(name for settings in known for name in settings)
    return [name for name in names if len({json.dumps(settings.get(name)) for settings in known}) > 1]


def _summarise(path: Path) -> RunSummary:
    try:
        facts, lines = read_facts(path), read_metrics(path)
        recipe = tomllib.loads((path / RECIPE).read_text(encoding="utf-8"))
        epochs = int(recipe["optimisation"]["epochs"])
        steps = [line for line in lines if "loss" in line]
        validated = [(line["validation_top1"], line["epoch"]) for line in lines if "validation_top1" in line]
        epoch = float(steps[-1]["epoch"]) if steps else 0.0
        settings = {f"{table}.{key}": value for table in _STAGES for key, value in recipe[table].items()}
        state = "running" if is_held(path / LOCK) else "finished" if epoch >= epochs else "stopped"
        return RunSummary(
            path,
            state,
            epoch,
            epochs,
            steps[-1]["loss"] if steps else None,
            max(validated, key=lambda pair: pair[0]) if validated else None,
            validated[-1][0] if validated else None,
            settings | {"seed": facts["seed"]},
            facts.get("name"),
            facts.get("note"),
            None if state == "running" else torn_line(path),
        )
    except HarnessError as error:
        return RunSummary(path, f"damaged: {error}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return RunSummary(path, f"damaged: {type(error).__name__}: {error}")
