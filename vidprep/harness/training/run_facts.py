"""What a run trains and on what: recipe.toml, run.json with each of its starts, and the same in sentences."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidprep.files import write_whole
from vidprep.harness.conv_check import check_conv3d
from vidprep.harness.environment import describe_environment
from vidprep.harness.run_folder import FACTS, RECIPE, read_facts, torn_line
from vidprep.harness.training.planning.plan import SPLIT
from vidprep.harness.training.state import Training
from vidprep.recipes.manifests import class_list_hash
from vidprep.recipes.pipelines import format_recipe
from vidprep.recipes.recipe import Optimisation, Recipe


def write_facts(training: Training) -> None:
    """Write recipe.toml, and note this start in run.json.

    Raises:
        HarnessError: If the run goes on and its run.json is damaged.
    """
    request = training.request
    run_dir = request.run_dir
    earlier = _earlier_facts(run_dir) if training.position.total_steps else {"starts": []}
    facts = {
        "name": earlier.get("name") if request.name is None else request.name,
        "note": earlier.get("note") if request.note is None else request.note,
        "shards": training.shards.root,
        "fingerprint": training.shards.fingerprint,
        "num_videos": len(training.shards.split(SPLIT)),
        "steps_per_epoch": training.position.per_epoch,
        "classes": list(training.classes),
        "class_list_hash": class_list_hash(training.classes),
        "seed": request.seed,
        "starts": [*earlier["starts"], _start(training)],
    }
    # run.json first: it is what tells a run that was cut off here from a folder of something else.
    write_whole(run_dir / FACTS, (json.dumps(facts, indent=2) + "\n").encode())
    write_whole(run_dir / RECIPE, format_recipe(request.recipe).encode())


def _earlier_facts(run_dir: Path) -> dict[str, Any]:
    if not (run_dir / FACTS).is_file():
        return {"starts": []}
    return read_facts(run_dir)


def _start(training: Training) -> dict[str, Any]:
    settings = training.settings
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "total_steps": training.position.total_steps,
        "weights": training.began_with,
        "changes": list(training.changes),
        "clips_per_pass": settings.split.per_pass,
        "micro_batches": settings.split.num_micro_batches,
        "precision": settings.precision,
        "compiled": training.request.compile,
        "environment": describe_environment(training.ranks),
    }


def describe_training(training: Training) -> tuple[str, ...]:
    """Say in sentences what is trained, and how."""
    recipe = training.request.recipe
    stage = recipe.optimisation
    return (
        f"{recipe.title}: {recipe.model.title}, {len(training.classes)} classes, "
        f"{sum(p.numel() for p in training.bare.parameters()):,} parameters",
        training.loader.describe(),
        *training.plan.sentences(),
        _passes(training),
        f"Learning rate {stage.lr:g}, {_schedule(stage)}",
        *([f"Augmentation: {recipe.augmentation.describe()}"] if recipe.augmentation.is_on else []),
        *_average(recipe),
        training.began_with,
    )


def training_warnings(training: Training, note: str | None) -> tuple[str, ...]:
    """Return what a person should look at before a week of training.

    Args:
        training: Ready for its next step.
        note: A sentence about a learning rate that was scaled, if it was.
    """
    found = [*training.changes, *([note] if note else [])]
    if torn := torn_line(training.request.run_dir):
        found.append(
            f"Warning: {training.request.run_dir / torn}. Curves lack it, unless its steps are taken again."
        )
    settings = training.settings
    if settings.precision == "bf16":
        channels, size = (64, 56) if settings.device.type == "cuda" else (16, 14)
        warning = check_conv3d(settings.device, channels=channels, size=size).warning()
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


def _average(recipe: Recipe) -> tuple[str, ...]:
    decay = recipe.optimisation.ema_decay
    if not decay:
        return ()
    used = recipe.validation.weights
    return (f"An average (EMA) of the weights is made beside them, decay {decay:g}; validated: '{used}'",)


def _schedule(stage: Optimisation) -> str:
    if stage.schedule == "step":
        return f"times {stage.gamma:g} after epochs {' and '.join(map(str, stage.milestones))}"
    return f"cosine to 0, by {stage.cosine_per}"
