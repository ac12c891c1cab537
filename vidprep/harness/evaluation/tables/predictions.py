"""predictions.parquet: the logits of every view of every video, in the order of the split."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from vidprep.errors import HarnessError
from vidprep.files import replace_durably
from vidprep.harness.evaluation.partial_results import PREDICTION_FIELDS, read_parts
from vidprep.harness.evaluation.results import RESULTS, Results, read_results
from vidprep.links import inside
from vidprep.shards.manifest import file_sha256

PREDICTIONS = "predictions.parquet"

# Videos in memory at a time while predictions are put in order: 6 MB of scores of 30 views and 400 classes.
_BLOCK_ROWS = 256
_CLASSES, _SHAPE = "vidprep.classes", "vidprep.scores_shape"  # of the file's metadata


def write_predictions(
    parts_dir: Path, num_rows: int, path: Path, *, classes: Sequence[str] | None = None
) -> None:
    """Put the videos of all parts into one file, in the order of the split, a block of them at a time.

    `scores` are a list of fixed size, views x classes; the file's metadata has both numbers as
    `vidprep.scores_shape`, and the names of the classes as `vidprep.classes`, in JSON.

    Args:
        parts_dir: Folder of the parts, see `partial_results`.
        num_rows: Number of videos of the split.
        path: Path of the new file.
        classes: Names in label order.
    """
    parts, row = read_parts(parts_dir), ds.field("row")
    partial_path = path.with_name(f"{path.name}.partial")
    names = [name for name, _ in PREDICTION_FIELDS]
    schema = _schema(parts, classes)
    try:
        with pq.ParquetWriter(partial_path, schema, compression="zstd") as writer:
            for start in range(0, num_rows, _BLOCK_ROWS):
                block = parts.to_table(
                    columns=["row", *names], filter=(row >= start) & (row < start + _BLOCK_ROWS)
                )
                writer.write_table(_of_one_size(once_in_order(block).select(names), schema))
        replace_durably(partial_path, path)
    finally:
        partial_path.unlink(missing_ok=True)


def once_in_order(parts: pa.Table) -> pa.Table:
    """Return scored videos in the order of the split; of a row that is there twice, the first."""
    return parts.take(np.unique(parts["row"].to_numpy(), return_index=True)[1])


def read_scores(eval_dir: Path | str) -> tuple[list[str], npt.NDArray[np.float16]]:
    """Return the keys of an evaluation's videos, and their logits, (N, V, C): view = clip * num_crops + crop.

        keys, scores = read_scores("evals/motion")
        scores.argmax(-1)        # (N, V), the class that each view predicts

    Raises:
        HarnessError: If predictions.parquet is missing or damaged.
    """
    path = inside(eval_dir, PREDICTIONS)
    try:
        _check_bytes(path)
        table = pq.read_table(path, columns=["key", "scores", "logit_sum"]).combine_chunks()
        num_classes = len(table["logit_sum"][0]) if len(table) else 1
        values = table["scores"].combine_chunks().flatten()  # of any list: release 0.1 had no fixed size
        scores: npt.NDArray[np.float16] = values.to_numpy(zero_copy_only=False)
        return table["key"].to_pylist(), scores.reshape(len(table), -1, num_classes)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise HarnessError(
            f"{path} cannot be read ({error}). Run the evaluation again into another folder."
        ) from error


def read_predictions(eval_dir: Path) -> pd.DataFrame:
    """Read key, label, predicted and logit_sum of each video that was evaluated.

    Raises:
        HarnessError: If they are missing or damaged.
    """
    path, columns = inside(eval_dir, PREDICTIONS), ["key", "label", "predicted", "logit_sum"]
    try:
        _check_bytes(path)
        frame: pd.DataFrame = (
            pq.ParquetFile(path).read(columns=columns, use_threads=False).select(columns).to_pandas()
        )
        _check_predictions(frame)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise HarnessError(
            f"{path} cannot be read ({error}). Run the evaluation again into another folder."
        ) from error
    return frame


def is_of(results: Results, path: Path) -> bool:
    """Tell whether a file of predictions belongs to results; always true where they do not hold its hash."""
    return results.predictions_sha256 in ("", file_sha256(path))


def _check_bytes(path: Path) -> None:
    """Raise ValueError if results.json lies beside the file and is about other bytes."""
    if path.with_name(RESULTS).is_file() and not is_of(read_results(path.parent), path):
        raise ValueError(f"it is damaged, or of another evaluation than {RESULTS}")


def _check_predictions(frame: pd.DataFrame) -> None:
    """Raise ValueError unless every video has a key, as many scores as all others, and labels among them."""
    num_scores = set(frame["logit_sum"].map(np.size))
    if len(num_scores) > 1 or frame.isna().any(axis=None):
        raise ValueError("a row lacks a value or has another number of scores")
    for name in ("label", "predicted"):
        if not frame[name].between(0, max(num_scores, default=0) - 1).all():
            raise ValueError(f"column '{name}' holds numbers that are not classes")


def _schema(parts: ds.Dataset, classes: Sequence[str] | None) -> pa.Schema:
    first = parts.head(1, columns=["scores", "logit_sum"])
    num_scores, num_classes = len(first["scores"][0]), len(first["logit_sum"][0])
    fields = dict(PREDICTION_FIELDS) | {"scores": pa.list_(pa.float16(), num_scores)}
    metadata = {_SHAPE: json.dumps([num_scores // num_classes, num_classes])}
    if classes is not None:
        metadata[_CLASSES] = json.dumps(list(classes))
    return pa.schema(list(fields.items()), metadata=metadata)


def _of_one_size(block: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a block whose scores are a list of fixed size: one array for all videos, not one for each."""
    wanted = schema.field("scores").type
    scores = pa.FixedSizeListArray.from_arrays(block["scores"].combine_chunks().flatten(), wanted.list_size)
    return block.set_column(block.schema.get_field_index("scores"), "scores", scores).cast(schema)
