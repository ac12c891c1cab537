"""The temporal filters of a network in a few numbers per layer, per stage, and for all layers."""

from typing import Any

import numpy as np
import pandas as pd

from vidprep.analysis.filters.measure import AXES, Z, stage_of

NEAR = (0.9, 0.707)  # cosines of 26 and 45 degrees from an axis


def summarise_filters(table: pd.DataFrame, num_filters: dict[str, int]) -> dict[str, Any]:
    """Summarise a filter table as plain values for JSON.

    Args:
        table: From `filter_table`.
        num_filters: Number of filters of each layer, including those that are all zero.
    """
    per_layer = [
        {"layer": layer} | describe(rows, num_filters[str(layer)])
        for layer, rows in table.groupby("layer", observed=False)
    ]
    per_stage = [
        {"stage": stage}
        | describe(rows, sum(n for layer, n in num_filters.items() if stage_of(layer) == stage))
        for stage, rows in table.groupby("stage", observed=False)
    ]
    return {
        "all": describe(table, sum(num_filters.values())),
        "stages": per_stage,
        "layers": per_layer,
    }


def describe(rows: pd.DataFrame, num_filters: int) -> dict[str, Any]:
    """Return the statistics of some filters (rows of a filter table) as plain values for JSON.

    `mean_squared` are the mean squared coordinates, which add up to 1; `median_angle_degrees` is measured
    from the average axis, 0 to 90; `near` is the share of filters whose coordinate on an axis is at least .9,
    .707; `tap_centre` is the mean centre of energy in taps, negative towards the past.
    `median_moved_degrees` is there if `rows` have `moved_degrees`, see `with_movement`.

    Args:
        rows: Filters that are not all zero.
        num_filters: Number of filters, including those that are all zero.
    """
    facts: dict[str, Any] = {"num_filters": num_filters, "num_zero": num_filters - len(rows)}
    if rows.empty:
        return facts
    z = rows[Z].abs().to_numpy()
    angles = np.degrees(np.arccos(np.clip(z[:, 0], 0, 1)))
    facts |= {
        "mean_squared": _by_axis((z**2).mean(0)),
        "median_angle_degrees": float(np.median(angles)),
        "near": {str(limit): _by_axis((z >= limit).mean(0)) for limit in NEAR},
        "mean_share": float(rows["share"].mean()),
        "tap_centre": float(rows["tap_centre"].mean()),
    }
    if "moved_degrees" in rows and rows["moved_degrees"].notna().any():
        facts["median_moved_degrees"] = float(rows["moved_degrees"].median())
    return facts


def _by_axis(values: np.ndarray) -> dict[str, float]:
    return dict(zip(AXES, values.tolist(), strict=True))
