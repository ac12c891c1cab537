"""recipe.toml and run.json: what a run is of, and each of its starts."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidprep.errors import HarnessError
from vidprep.files import write_whole
from vidprep.harness.environment import describe_environment
from vidprep.harness.run_folder import FACTS, RECIPE, read_facts
from vidprep.harness.training.state import Training
from vidprep.recipes.manifests import class_list_hash
from vidprep.recipes.pipelines import format_recipe


def write_facts(training: Training) -> None:
    """Write recipe.toml, and note this start in run.json.

    Raises:
        HarnessError: If the run goes on and its run.json is damaged.
    """
    request = training.request
    run_dir = request.run_dir
    starts = _earlier_starts(run_dir) if training.position.total_steps else []
    facts = {
        "shards": training.shards.root,
        "fingerprint": training.shards.fingerprint,
        "num_videos": training.position.per_epoch * request.recipe.optimisation.batch_size,
        "steps_per_epoch": training.position.per_epoch,
        "classes": list(training.classes),
        "class_list_hash": class_list_hash(training.classes),
        "seed": request.seed,
        "starts": [*starts, _start(training)],
    }
    # run.json first: it is what tells a run that was cut off here from a stranger's folder.
    write_whole(run_dir / FACTS, (json.dumps(facts, indent=2) + "\n").encode())
    write_whole(run_dir / RECIPE, format_recipe(request.recipe).encode())


def _earlier_starts(run_dir: Path) -> list[Any]:
    if not (run_dir / FACTS).is_file():
        return []
    try:
        return list(read_facts(run_dir)["starts"])
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"{run_dir / FACTS} is damaged ({error}). Delete it and --resume: only what it says of the "
            "earlier starts is lost."
        ) from error


def _start(training: Training) -> dict[str, Any]:
    settings = training.settings
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "total_steps": training.position.total_steps,
        "weights": training.began_with,
        "clips_per_pass": settings.split.per_pass,
        "micro_batches": settings.split.num_micro_batches,
        "precision": "fp32" if settings.autocast is None else "bf16",
        "compiled": training.request.compile,
        "environment": describe_environment(training.ranks),
    }
