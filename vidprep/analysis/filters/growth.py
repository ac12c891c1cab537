"""How temporal filters change over the epochs of a training.

Each epoch is summarised by `summarise_filters`, and compared with the first epoch by the angle between each
filter then and now; u and -u are one filter.
"""

from typing import Any

import numpy as np
import pandas as pd

from vidprep.analysis.filters.measure import Z
from vidprep.errors import CheckpointError


def with_movement(table: pd.DataFrame, first: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return a filter table with `moved_degrees`: the angle between each filter then and now, 0 to 90.

    It is NaN for filters that were all zero then.

    Args:
        table: From `filter_table`.
        first: From `filter_table` of the same network at an earlier epoch, with the same `matrix`.
        source: Where `table` is from, for the message.

    Raises:
        CheckpointError: If the layers are not the same.
    """
    layers = [list(each["layer"].cat.categories) for each in (first, table)]
    if layers[0] != layers[1]:
        raise CheckpointError(
            f"{source}: its {len(layers[1])} layers with three taps are not the {len(layers[0])} of the "
            "run's first checkpoint. A run holds checkpoints of one network; take the others out."
        )
    keys = [name for name in ("layer", "channel", "in_channel") if name in table]
    then = first[[*keys, *Z]]
    both = table[[*keys, *Z]].merge(then, how="left", on=keys, suffixes=("", "_then"))
    cosine = (both[Z].to_numpy() * both[[f"{z}_then" for z in Z]].to_numpy()).sum(1)
    return table.assign(moved_degrees=np.degrees(np.arccos(np.abs(cosine).clip(0, 1))))


def growth_rows(epoch: int, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of one epoch: all layers, each stage, each layer.

    Columns: epoch, part ("all", "stage" or "layer"), name, and the values of `describe`, nested names joined
    by "_": num_filters, num_zero, mean_squared_average, ..., near_0.9_average, ..., median_moved_degrees.

    Args:
        epoch: Number of finished epochs.
        summary: From `summarise_filters`, of a table with `moved_degrees`.
    """
    rows = [{"part": "all", "name": "all layers"} | _flat(summary["all"])]
    for part in ("stage", "layer"):
        rows += [{"part": part, "name": facts[part]} | _flat(facts) for facts in summary[f"{part}s"]]
    return [{"epoch": epoch} | row for row in rows]


def _flat(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}_")
        elif not isinstance(value, str):
            flat[f"{prefix}{key}"] = value
    return flat
