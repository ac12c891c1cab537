"""The files of an evaluation, trusted no further than they are checked."""

import json
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, Field, ValidationError

from vidprep.errors import ReportError
from vidprep.report.find import RESULTS, Subject

PREDICTIONS = "predictions.parquet"
FORMAT = "vidprep evaluation 1"
_COLUMNS = ("key", "label", "predicted", "logit_sum")


class _Interval(BaseModel):
    level: float
    top1: tuple[float, float]


class _Failed(BaseModel):
    key: str
    error: str


class _Coverage(BaseModel):
    failed: list[_Failed] = []


class _Results(BaseModel):
    """What has to be right in results.json for a page to be made of it; more may stand there."""

    complete: bool
    top1: float
    top5: float
    mean_per_class: float
    interval: _Interval | None = None
    coverage: _Coverage
    softmax_sum: dict[str, float] = {}
    centre_view: dict[str, float] = {}
    classes: Annotated[list[str], Field(min_length=1)]
    shards: dict[str, Any] | None = None


def read_results(subject: Subject) -> dict[str, Any]:
    """Return what results.json says.

    Raises:
        ReportError: If it is damaged or of another version.
    """
    path = subject.path / RESULTS
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ReportError(f"{path} cannot be read: {error}. Run the evaluation again.") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        found = results.get("format") if isinstance(results, dict) else type(results).__name__
        raise ReportError(f"{path}: its format is {found!r}; this version of vidprep reads {FORMAT!r}.")
    try:
        _Results.model_validate(results)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReportError(f"{path} is damaged: {where}: {first['msg']}. Run the evaluation again.") from error
    return results


def read_predictions(subject: Subject, num_classes: int) -> pa.Table:
    """Read what is needed of the predictions: the scores of single views stay on the disk.

    Returns:
        A row per video with key, label, predicted and logit_sum.

    Raises:
        ReportError: If columns are missing or do not fit the number of classes.
        pyarrow.ArrowException: If the file is damaged; `OSError` if it cannot be read.
    """
    path = subject.path / PREDICTIONS
    known = pq.read_schema(path).names
    lacking = [name for name in _COLUMNS if name not in known]
    if lacking:
        raise ReportError(f"it lacks the columns {', '.join(lacking)}.")
    table = pq.read_table(path, columns=list(_COLUMNS))
    for name in ("label", "predicted"):
        values = table[name].to_numpy()
        if len(values) and not 0 <= values.min() <= values.max() < num_classes:
            raise ReportError(f"a '{name}' lies outside of the {num_classes} classes.")
    if set(pc.unique(pc.list_value_length(table["logit_sum"])).to_pylist()) - {num_classes}:
        raise ReportError(f"'logit_sum' does not hold {num_classes} values in each row.")
    return table
