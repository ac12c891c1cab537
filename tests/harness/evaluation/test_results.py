"""results.json and predictions.parquet on disk."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.helpers.paths import RELEASE_0_1
from vidprep.errors import HarnessError
from vidprep.harness.evaluation.partial_results import PartWriter
from vidprep.harness.evaluation.results import coverage, read_results, write_results
from vidprep.harness.evaluation.scores import score_video
from vidprep.harness.evaluation.tables.predictions import write_predictions


def test_results_read_back(evaluated, tmp_path):
    results = read_results(evaluated)
    write_results(results, tmp_path)
    assert read_results(tmp_path) == results
    assert (tmp_path / "results.json").read_bytes() == (evaluated / "results.json").read_bytes()


def test_no_results_or_damaged_ones(evaluated, tmp_path):
    with pytest.raises(HarnessError, match=r"No results at .*results.json: the evaluation has not ended"):
        read_results(tmp_path)
    path = shutil.copy(evaluated / "results.json", tmp_path)
    text = (tmp_path / "results.json").read_text()
    (tmp_path / "results.json").write_text(text.replace("vidprep evaluation 2", "vidprep evaluation 9"))
    with pytest.raises(HarnessError, match=rf"{path} holds no results of this version: format: "):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text(text[:100])
    with pytest.raises(HarnessError, match=r"holds no results of this version"):
        read_results(tmp_path)


def test_coverage_adds_up():
    seen = coverage(np.array([0, 2, 2, 3]), 6, {"validation-v1": "broken"})
    assert (seen.stored, seen.scored, seen.unscored, seen.duplicates) == (6, 3, 3, 1)
    assert not seen.all_stored_scored
    assert coverage(np.arange(6), 6, {}).all_stored_scored
    assert not coverage(np.arange(5), 6, {}).all_stored_scored
    assert not coverage(np.array([0, 0, 1]), 2, {}).all_stored_scored


def test_an_evaluation_of_release_0_1_is_read_under_the_names_of_today():
    results = read_results(RELEASE_0_1 / "eval")
    assert results.all_stored_scored
    assert (results.coverage.stored, results.coverage.scored, results.coverage.unscored) == (6, 6, 0)
    assert (results.format, results.annotation, results.common) == ("vidprep evaluation 1", None, None)


def test_predictions_of_many_parts_come_in_the_order_of_the_split(tmp_path):
    """600 rows by 3 ranks make 12 parts; one row is missing, and memory holds a block of rows at a time."""
    logits = np.arange(12, dtype=np.float32).reshape(4, 3)
    for rank in range(3):
        writer = PartWriter(tmp_path / "parts")
        for row in range(rank, 600, 3):
            if row != 77:
                writer.add(row, f"key-{row}", row % 3, score_video(logits + row, row % 3, centre=0))
        writer.flush()
    assert len(list((tmp_path / "parts").glob("rows-*.parquet"))) == 12
    write_predictions(tmp_path / "parts", 600, tmp_path / "predictions.parquet")
    file = pq.ParquetFile(tmp_path / "predictions.parquet")
    assert file.num_row_groups == 3
    table = file.read()
    rows = [row for row in range(600) if row != 77]
    assert table["key"].to_pylist() == [f"key-{row}" for row in rows]
    assert table["logit_sum"][300].as_py() == (logits + rows[300]).sum(0).tolist()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["predictions.parquet"]
