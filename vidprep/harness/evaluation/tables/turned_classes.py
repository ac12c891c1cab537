"""Time reversed: which classes turn into which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vidprep.harness.evaluation.class_orders.suspicion import is_collapse
from vidprep.harness.evaluation.tables.per_class import write_csv

TURNED = "turned_into.csv"

Ints = npt.NDArray[np.int64]


def turned_table(labels: Ints, predicted: Ints, classes: Sequence[str]) -> pd.DataFrame:
    """Return what each class is taken for most often when time runs backwards, the largest shares first.

    A class that is recognised by its motion turns into its counterpart ("opening" into "closing"); one that
    is recognised in single frames stays.

    Args:
        labels: (N,) the true class of each video.
        predicted: (N,) the predicted class of each, with its frames reversed.
        classes: Names in label order.

    Returns:
        label, class, num_videos, turns_into (the class itself, if it stays), `share` of the videos that do,
        and `stays`: the share that is still taken for the class itself.
    """
    rows = []
    for label in np.unique(labels):
        taken = np.bincount(predicted[labels == label], minlength=len(classes))
        most = int(taken.argmax())
        rows.append(
            {
                "label": int(label),
                "class": classes[label],
                "num_videos": int(taken.sum()),
                "turns_into": classes[most],
                "share": float(taken[most] / taken.sum()),
                "stays": float(taken[label] / taken.sum()),
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values(["share", "label"], ascending=[False, True], ignore_index=True)


def write_turned_table(labels: Ints, predicted: Ints, classes: Sequence[str], out_dir: Path) -> None:
    """Write turned_into.csv."""
    write_csv(turned_table(labels, predicted, classes), out_dir / TURNED)


def read_turned_table(path: Path) -> pd.DataFrame:
    """Read turned_into.csv.

    Raises:
        ValueError: If it lacks a column.
    """
    table = pd.read_csv(path, dtype={"class": str, "turns_into": str}, keep_default_na=False)
    missing = {"class", "num_videos", "turns_into", "share", "stays"} - set(table)
    if missing:
        raise ValueError(f"no column {', '.join(sorted(missing))}")
    return table.astype({"num_videos": int, "share": float, "stays": float})


def turned_sentence(table: pd.DataFrame) -> str:
    """Say how many classes turn into others, or that the table shows nothing: all turn into one.

    "2 of 4 classes turn into others."
    """
    turned = table[table["class"] != table["turns_into"]]
    found = f"{len(turned)} of {len(table)} classes turn into others."
    videos, total = table["share"] * table["num_videos"], table["num_videos"].sum()
    named = videos.groupby(table["turns_into"]).sum() / total
    most = str(named.idxmax())
    true = table.loc[table["class"] == most, "num_videos"].sum() / total
    if not is_collapse(float(named[most]), float(true)):
        return found
    return (
        f"{found} But {named[most]:.0%} of the videos are taken for one class, '{most}': the network has "
        "collapsed to it, and what turns into what says nothing about motion."
    )
