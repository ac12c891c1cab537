"""The predictions of an evaluation, checked before use."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vidprep.errors import ReportError
from vidprep.harness.evaluation.results import Results
from vidprep.harness.evaluation.tables.predictions import PREDICTIONS, is_of
from vidprep.report.find import Subject

_COLUMNS = ("key", "label", "predicted", "logit_sum")


def read_predictions(subject: Subject, results: Results) -> pa.Table:
    """Read the predictions that the page needs; the scores of single views are not read.

    Returns:
        A row per video with key, label, predicted and logit_sum.

    Raises:
        ReportError: If columns are missing, or the rows are not those that the results are about.
        pyarrow.ArrowException: If the file is damaged; `OSError` if it cannot be read.
    """
    path, num_classes = subject.path / PREDICTIONS, len(results.classes)
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
    if not is_of(results, path):
        raise ReportError("it is damaged, or of another evaluation than results.json.")
    if len(table):
        _check_one_evaluation(table, results)
    return table


def _check_one_evaluation(table: pa.Table, results: Results) -> None:
    """Compare with the headline: files of two evaluations may have been copied into one folder."""
    top1 = pc.mean(pc.equal(table["label"], table["predicted"])).as_py()
    if len(table) != results.coverage.scored or abs(top1 - results.top1) > 1e-9:
        raise ReportError(
            f"it is of another evaluation than results.json: {len(table):,} videos with top-1 {top1:.2%}, "
            f"not {results.coverage.scored:,} with {results.top1:.2%}. Run the evaluation again."
        )
