"""What a run is of: recipe.toml, run.json with each of its starts, and the same in sentences."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidprep.errors import HarnessError
from vidprep.files import write_whole
from vidprep.harness.conv_check import check_conv3d
from vidprep.harness.environment import describe_environment
from vidprep.harness.run_folder import FACTS, RECIPE, read_facts
from vidprep.harness.training.state import SPLIT, Training
from vidprep.recipes.manifests import class_list_hash
from vidprep.recipes.pipelines import format_recipe
from vidprep.recipes.recipe import Optimisation


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
        "num_videos": len(training.shards.split(SPLIT)),
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
        "precision": settings.precision,
        "compiled": training.request.compile,
        "environment": describe_environment(training.ranks),
    }


def describe_training(training: Training) -> tuple[str, ...]:
    """Say in sentences what is trained, and how."""
    recipe, per_epoch = training.request.recipe, training.position.per_epoch
    stage = recipe.optimisation
    return (
        f"{recipe.title}: I3D-ResNet-{recipe.model.depth}, {len(training.classes)} classes, "
        f"{sum(p.numel() for p in training.bare.parameters()):,} parameters",
        training.loader.describe(),
        f"{per_epoch:,} steps an epoch, {stage.epochs} epochs: {per_epoch * stage.epochs:,} steps of "
        f"{stage.batch_size} clips ({per_epoch * stage.batch_size:,} an epoch)",
        _passes(training),
        f"Learning rate {stage.lr:g}, {_schedule(stage)}",
        training.began_with,
    )


def training_warnings(training: Training, note: str | None) -> tuple[str, ...]:
    """Return what a person should look at before a week of training.

    Args:
        training: Ready for its next step.
        note: A sentence about a learning rate that was scaled, if it was.
    """
    found = [note] if note else []
    settings = training.settings
    if settings.precision == "bf16" and settings.device.type == "cuda":
        warning = check_conv3d(settings.device).warning()
        found += [f"Warning: {warning}"] if warning else []
    return tuple(found)


def _passes(training: Training) -> str:
    settings = training.settings
    split = settings.split
    clips = f"{split.per_pass} clips"
    passes = f"{split.num_micro_batches} passes of {clips}" if split.num_micro_batches > 1 else clips
    where = f"{split.num_ranks} x {settings.device.type}" if split.num_ranks > 1 else str(settings.device)
    numbers = {"fp32": "float32", "bf16": "bfloat16"}[settings.precision]
    return f"{where}: {passes} a step on each, {numbers}"


def _schedule(stage: Optimisation) -> str:
    if stage.schedule == "step":
        return f"times {stage.gamma:g} after epochs {' and '.join(map(str, stage.milestones))}"
    return f"cosine to 0, by {stage.cosine_per}"
