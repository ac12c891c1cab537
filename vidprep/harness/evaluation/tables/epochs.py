"""over_epochs.csv: accuracy after each epoch of a run."""

from pathlib import Path

import numpy as np
import pandas as pd

from vidprep.harness.evaluation.results import Results

OVER_EPOCHS = "over_epochs.csv"
_COLUMNS = ["epoch", "num_videos", "top1", "top1_low", "top1_high", "top5", "mean_per_class"]


def epochs_table(found: dict[int, Results]) -> pd.DataFrame:
    """Return a table of results by epoch; its columns are those of `_COLUMNS`.

    Args:
        found: Results by number of finished epochs.
    """
    return pd.DataFrame(
        [
            {
                "epoch": epoch,
                "num_videos": results.coverage.scored,
                "top1": results.top1,
                "top1_low": results.interval.top1[0],
                "top1_high": results.interval.top1[1],
                "top5": results.top5,
                "mean_per_class": results.mean_per_class,
            }
            for epoch, results in found.items()
        ]
    )


def read_epochs_table(path: Path) -> pd.DataFrame:
    """Read over_epochs.csv.

    Raises:
        ValueError: If it lacks a column, holds no row, or a cell is no finite number.
    """
    table = pd.read_csv(path)
    missing = set(_COLUMNS) - set(table)
    if missing:
        raise ValueError(f"no column {', '.join(sorted(missing))}")
    if table.empty or not np.isfinite(table[_COLUMNS].astype(float)).all(axis=None):
        raise ValueError("no row of finite numbers" if table.empty else "a cell that is no finite number")
    return table.sort_values("epoch", ignore_index=True)
