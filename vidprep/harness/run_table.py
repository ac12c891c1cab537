"""Several runs side by side: where each is, how good it was at its best and at last, and what differs."""

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
        path: Its folder.
        state: "running", "finished", "stopped", or "damaged: ..." with the reason.
        epoch: Where it is, in epochs.
        epochs: Epochs that it is planned for.
        loss: The loss in its last line of metrics; None before the first.
        best: Highest top-1 on the validation split so far, and the epoch of it; None if it was never judged.
        last: Top-1 on the validation split when it was judged last.
        settings: Settings of its recipe, and the seed, by `table.key`.
        name: What a person calls it.
        note: What a person says of it.
        torn: Which last line of its metrics was cut short; None: it is whole, or the run is at work.
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
    """Look at all runs below a folder, by name; a damaged one is among them and says so.

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
        judged = [(line["validation_top1"], line["epoch"]) for line in lines if "validation_top1" in line]
        epoch = float(steps[-1]["epoch"]) if steps else 0.0
        settings = {f"{table}.{key}": value for table in _STAGES for key, value in recipe[table].items()}
        state = "running" if is_held(path / LOCK) else "finished" if epoch >= epochs else "stopped"
        return RunSummary(
            path,
            state,
            epoch,
            epochs,
            steps[-1]["loss"] if steps else None,
            max(judged, key=lambda pair: pair[0]) if judged else None,
            judged[-1][0] if judged else None,
            settings | {"seed": facts["seed"]},
            facts.get("name"),
            facts.get("note"),
            None if state == "running" else torn_line(path),
        )
    except HarnessError as error:
        return RunSummary(path, f"damaged: {error}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return RunSummary(path, f"damaged: {type(error).__name__}: {error}")
