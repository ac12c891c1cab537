"""results.json and predictions.parquet: what an evaluation leaves behind. `docs/harness.md` explains them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from vidprep.errors import HarnessError
from vidprep.files import replace_durably, write_whole
from vidprep.harness.evaluation.partial_results import PREDICTION_FIELDS, read_parts
from vidprep.harness.evaluation.scores import mean_per_class, top_k, wilson_interval
from vidprep.recipes.recipe import EvalViews, Recipe
from vidprep.recipes.toml_models import Frozen

RESULTS = "results.json"
PREDICTIONS = "predictions.parquet"

# Videos in memory at a time while predictions are put in order: 6 MB of scores of 30 views and 400 classes.
_BLOCK_ROWS = 256


class Failure(Frozen):
    """A video that could not be scored, and why."""

    key: str
    error: str


class Coverage(Frozen):
    """Whether each video was scored once: `expected = seen` and nothing else."""

    expected: int
    seen: int
    missing: int
    duplicates: int
    failed: tuple[Failure, ...]

    @property
    def is_complete(self) -> bool:
        """Tell whether the figures are those of the whole split."""
        return not (self.missing or self.duplicates or self.failed)


class Interval(Frozen):
    """Confidence intervals, ends from 0 to 1."""

    level: float
    top1: tuple[float, float]
    top5: tuple[float, float]


class TopK(Frozen):
    """Shares of the videos, 0 to 1."""

    top1: float
    top5: float


class Figures(Frozen):
    """What the scores amount to; of the sum of logits unless a name says otherwise."""

    top1: float
    top5: float
    mean_per_class: float
    interval: Interval
    softmax_sum: TopK
    centre_view: TopK


class EvaluatedCheckpoint(Frozen):
    """Which weights; `epoch` and `total_steps` are null where the file does not say."""

    path: str
    sha256: str
    epoch: int | None
    total_steps: int | None


class EvaluatedShards(Frozen):
    """Which videos."""

    root: str
    fingerprint: str
    split: str


class Results(Figures):
    """results.json."""

    format: Literal["vidprep evaluation 1"] = "vidprep evaluation 1"
    complete: bool
    coverage: Coverage
    checkpoint: EvaluatedCheckpoint
    shards: EvaluatedShards
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    class_list_hash: str
    views: EvalViews
    protocol: Literal["ibm"] | None
    centre_tap: bool = False
    recipe: Recipe | None
    seconds: float
    views_per_second: float
    environment: dict[str, Any]


def figures(parts: pa.Table) -> Figures:
    """Return the figures of scored videos, each once.

    Args:
        parts: Their `label`, `logit_rank`, `softmax_rank` and `centre_rank`.
    """
    labels = parts["label"].to_numpy().astype(np.int64)
    logit, softmax, centre = (
        parts[f"{what}_rank"].to_numpy().astype(np.int64) for what in ("logit", "softmax", "centre")
    )
    top1, top5 = top_k(logit, 1), top_k(logit, 5)
    return Figures(
        top1=top1,
        top5=top5,
        mean_per_class=mean_per_class(logit, labels),
        interval=Interval(
            level=0.95,
            top1=wilson_interval(top1, len(labels)),
            top5=wilson_interval(top5, len(labels)),
        ),
        softmax_sum=TopK(top1=top_k(softmax, 1), top5=top_k(softmax, 5)),
        centre_view=TopK(top1=top_k(centre, 1), top5=top_k(centre, 5)),
    )


def coverage(rows: np.ndarray[Any, np.dtype[np.int64]], expected: int, failures: dict[str, str]) -> Coverage:
    """Return how often the videos of a split were scored.

    Args:
        rows: Of the split, of every scored video.
        expected: Rows of the split.
        failures: Keys of videos that could not be scored, and why.
    """
    seen = len(np.unique(rows))
    return Coverage(
        expected=expected,
        seen=seen,
        missing=expected - seen,
        duplicates=len(rows) - seen,
        failed=tuple(Failure(key=key, error=error) for key, error in failures.items()),
    )


def once_in_order(parts: pa.Table) -> pa.Table:
    """Return scored videos in the order of the split; of a row that is there twice, the first."""
    return parts.take(np.unique(parts["row"].to_numpy(), return_index=True)[1])


def write_predictions(parts_dir: Path, num_rows: int, path: Path) -> None:
    """Put the videos of all parts into one file, in the order of the split, a block of them at a time."""
    parts, row = read_parts(parts_dir), ds.field("row")
    partial_path = path.with_name(f"{path.name}.partial")
    names = [name for name, _ in PREDICTION_FIELDS]
    try:
        with pq.ParquetWriter(partial_path, pa.schema(PREDICTION_FIELDS), compression="zstd") as writer:
            for start in range(0, num_rows, _BLOCK_ROWS):
                block = parts.to_table(
                    columns=["row", *names], filter=(row >= start) & (row < start + _BLOCK_ROWS)
                )
                writer.write_table(once_in_order(block).select(names))
        replace_durably(partial_path, path)
    finally:
        partial_path.unlink(missing_ok=True)


def write_results(results: Results, out_dir: Path) -> None:
    """Write results.json."""
    write_whole(out_dir / RESULTS, (results.model_dump_json(indent=2) + "\n").encode())


def read_results(out_dir: Path) -> Results:
    """Read the results of an evaluation.

    Raises:
        HarnessError: If there are none, or they are damaged.
    """
    path = out_dir / RESULTS
    if not path.is_file():
        raise HarnessError(f"No results at {path}: the evaluation has not come to its end.")
    try:
        return Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "not JSON"
        raise HarnessError(f"{path} holds no results of this version: {where}: {first['msg']}.") from error
