"""A part of a finished shard set as a set of its own: stored videos are copied, nothing is decoded.

It is a build whose shards are filled from the full set's tars instead of by FFmpeg: the same plan, the same
resume, the same last step. So it gives the bytes that a build of the part from the raw videos gives.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vidprep.builder.copying.copies import FinishedSet, carry_out_copy, inventory_rows, outcomes_of
from vidprep.builder.plan import plan_build
from vidprep.builder.run import BuildResult, OnEvent
from vidprep.errors import BuildError, RecipeError
from vidprep.recipes.classes import dataset_of, resolve_classes
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.mini import resolve_recipe
from vidprep.recipes.recipe import Recipe


def subset(
    full_dir: Path | str,
    out_dir: Path | str,
    *,
    subset: str | None = None,
    class_list: Path | None = None,
    ids: Path | None = None,
    splits: Sequence[str] = SPLITS,
    limit: int | None = None,
    overrides: Sequence[str] = (),
    on_event: OnEvent = lambda event: None,
) -> BuildResult:
    """Make a shard set of a part of a finished one by copying stored videos.

    Every tar has the bytes that a build of the part from the raw videos has, with the same recipe and FFmpeg.
    A call that was stopped or killed is resumed by the same call. The full set is only read.

        result = vidprep.subset("shards/motion", "shards/few", limit=2)
        print(result.manifest.totals["train"].used)

    Args:
        full_dir: The finished set: a folder, or a URL such as `s3://bucket/k400`.
        out_dir: The new one: a folder, or a URL.
        subset: Pipeline of a subset of the dataset, e.g. "mini_k400"; None: all classes.
        class_list: A text file with classes of your own instead, one a line.
        ids: A text file with the ids of the videos to take, one a line; None: all.
        splits: The splits to take.
        limit: Take at most this many videos of each split; None: all.
        overrides: `table.key=value` settings of the recipe, e.g. `shards.samples_per_shard=500`.
        on_event: Called with each event, see `build`.

    Raises:
        BuildError: If the folder or the store holds something else, or the disk is full.
        RecipeError: If the subset is of another dataset, stores videos differently, or an id is unknown.
        ShardError: If the full set is unfinished or damaged.
    """
    full = FinishedSet.open(full_dir)
    recipe = _recipe(full.manifest.recipe, subset, class_list, overrides)
    classes = resolve_classes(recipe.dataset)
    ledger = full.ledger[full.ledger["split"].isin(splits)]
    rows = inventory_rows(ledger, recipe.dataset, classes)
    if ids is not None:
        rows = _chosen(rows, ids)
    plan = plan_build(recipe, rows, classes, ffmpeg_version=full.manifest.tools["ffmpeg"], limit=limit)
    if not plan.facts.num_videos:
        raise BuildError(
            f"{full_dir} holds none of the videos that were asked for. See `vidprep ledger {full_dir}`."
        )
    full_classes = dataset_of(recipe.dataset).labels.classes
    return carry_out_copy(plan, out_dir, outcomes_of(full), on_event, full_classes)


def _recipe(full: Recipe, name: str | None, class_list: Path | None, overrides: Sequence[str]) -> Recipe:
    wanted = resolve_recipe(name or full, class_list=class_list, overrides=overrides)
    if wanted.dataset.name != full.dataset.name:
        raise RecipeError(
            f"'{name}' is a subset of {wanted.dataset.name}, this set holds {full.dataset.name}."
        )
    if name:  # how videos are stored is a fact of the full set
        wanted = wanted.model_copy(update={"transcode": full.transcode})
        if not any(override.startswith("shards.") for override in overrides):
            wanted = wanted.model_copy(update={"shards": full.shards})
    if wanted.transcode != full.transcode:
        raise RecipeError(
            "Stored videos are copied as they are: transcode.* cannot be set. Build from raw videos."
        )
    missing = set(resolve_classes(wanted.dataset)) - set(resolve_classes(full.dataset))
    if missing:
        raise RecipeError(
            f"{len(missing)} classes of '{wanted.name}' are not in this set, e.g. '{min(missing)}'. "
            "Take a subset of the classes that it holds."
        )
    return wanted


def _chosen(rows: pd.DataFrame, ids: Path) -> pd.DataFrame:
    try:
        wanted = {line.strip() for line in ids.read_text(encoding="utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{ids}: not a list of ids: {error}. Write one video id a line.") from error
    unknown = sorted(wanted - set(rows["video_id"]))
    if unknown:
        raise RecipeError(
            f"{ids}: {len(unknown)} of {len(wanted)} ids are not annotated in this part of the set, e.g. "
            f"{unknown[0]!r}. Take them out, or look for them: vidprep ledger DIR --csv FILE."
        )
    return rows[rows["video_id"].isin(wanted)]
