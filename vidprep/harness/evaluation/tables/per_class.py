"""per_class.csv and confusion.parquet: which classes a network knows, and what it takes the others for."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vidprep.files import write_whole
from vidprep.harness.evaluation.scores import wilson_interval

PER_CLASS = "per_class.csv"
CONFUSION = "confusion.parquet"

Ints = npt.NDArray[np.int64]


def class_table(labels: Ints, predicted: Ints, ranks: Ints, classes: Sequence[str]) -> pd.DataFrame:
    """Return a row for each class that occurs, in label order.

    Args:
        labels: (N,) the true class of each video.
        predicted: (N,) the predicted class of each.
        ranks: (N,) number of classes before the true one, see `label_ranks`.
        classes: Names in label order.

    Returns:
        label, class, num_videos, top1 and its 95 % interval (top1_low, top1_high), top5, `taken_for`: the
        wrong class that is predicted most often, and `num_taken_for`: for how many videos.
    """
    rows = []
    for label in np.unique(labels):
        chosen = labels == label
        wrong = predicted[chosen & (predicted != label)]
        counts = np.bincount(wrong, minlength=len(classes))
        top1 = float((ranks[chosen] < 1).mean())
        low, high = wilson_interval(top1, int(chosen.sum()))
        rows.append(
            {
                "label": int(label),
                "class": classes[label],
                "num_videos": int(chosen.sum()),
                "top1": top1,
                "top1_low": low,
                "top1_high": high,
                "top5": float((ranks[chosen] < 5).mean()),
                "taken_for": classes[int(counts.argmax())] if len(wrong) else "",
                "num_taken_for": int(counts.max()),
            }
        )
    return pd.DataFrame(rows)


def confusion_table(labels: Ints, predicted: Ints, classes: Sequence[str]) -> pa.Table:
    """Return how many videos of each class were taken for each, in label order, the most frequent first.

    Returns:
        label, class, predicted, predicted_class, num_videos, and `share` of the videos of the class.
    """
    pairs, counts = np.unique(np.stack([labels, predicted], axis=1), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))
    (true, taken), counts = pairs[order].T, counts[order]
    return pa.table(
        {
            "label": pa.array(true, pa.int32()),
            "class": [classes[label] for label in true],
            "predicted": pa.array(taken, pa.int32()),
            "predicted_class": [classes[label] for label in taken],
            "num_videos": pa.array(counts, pa.int64()),
            "share": counts / np.bincount(labels)[true],
        }
    )


def write_class_tables(
    labels: Ints, predicted: Ints, ranks: Ints, classes: Sequence[str], out_dir: Path
) -> None:
    """Write per_class.csv and confusion.parquet."""
    write_csv(class_table(labels, predicted, ranks, classes), out_dir / PER_CLASS)
    data = io.BytesIO()
    pq.write_table(confusion_table(labels, predicted, classes), data)
    write_whole(out_dir / CONFUSION, data.getvalue())


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as UTF-8 CSV with a header, whole or not at all."""
    write_whole(path, table.to_csv(index=False).encode())
