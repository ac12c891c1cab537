"""Two evaluations on the videos that are in both."""

import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.runs.small_evaluation import VIEWS, run_evaluation, write_network
from vidprep.errors import HarnessError
from vidprep.harness.evaluation.comparisons.versus import compare_evaluations
from vidprep.harness.evaluation.results import read_results, write_results
from vidprep.harness.evaluation.tables.predictions import read_predictions


def believe_predictions(eval_dir):
    """Make results.json say nothing of the bytes of predictions.parquet, as release 0.1 wrote it."""
    write_results(read_results(eval_dir).model_copy(update={"predictions_sha256": ""}), eval_dir)


@pytest.fixture(scope="module")
def another(shards, tmp_path_factory):
    """An evaluation of other weights on the same videos, in a folder of the same name."""
    folder = tmp_path_factory.mktemp("another")
    run_evaluation(write_network(folder / "other.pt", shards, VIEWS, seed=5), shards, folder / "eval")
    return folder / "eval"


def test_the_difference_and_where_it_lies(evaluated, another, tmp_path):
    found = compare_evaluations(evaluated, another)
    one, other = read_predictions(evaluated), read_predictions(another)
    right, also = (table["label"] == table["predicted"] for table in (one, other))
    assert (found.only_first, found.only_second) == ((right & ~also).sum(), (also & ~right).sum())
    assert found.only_first + found.only_second > 0
    number = found.only_first + found.only_second
    assert found.p_value == pytest.approx(stats.binomtest(found.only_first, number, 0.5).pvalue)
    assert found.difference == pytest.approx(read_results(evaluated).top1 - read_results(another).top1)
    table = found.classes
    assert (table["num_videos"] * table["difference"]).sum() == pytest.approx(7 * found.difference)
    assert table["difference"].abs().is_monotonic_decreasing
    assert set(table["class"]) == {f"class {n}" for n in range(5)}
    found.write(tmp_path / "versus.csv")
    columns = pd.read_csv(tmp_path / "versus.csv").columns.tolist()
    assert columns[3:5] == [f"top1 of {name}" for name in found.names]
    assert "McNemar p = " in found.sentence() and found.incomplete == ()


def test_names_never_collide_and_incomplete_ones_are_marked(evaluated, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(evaluated, tmp_path / name / "eval")
    results = read_results(tmp_path / "b/eval").model_copy(update={"all_stored_scored": False})
    write_results(results, tmp_path / "b/eval")
    found = compare_evaluations(tmp_path / "a/eval", tmp_path / "b/eval")
    assert found.names == (f"{tmp_path}/a/eval", f"{tmp_path}/b/eval")
    assert found.incomplete == (f"{tmp_path}/b/eval",)
    assert found.sentence().endswith(f"; {tmp_path}/b/eval is incomplete")
    assert compare_evaluations(evaluated, evaluated).names[1].endswith("(the same)")


def test_other_classes_and_other_videos(evaluated, another, tmp_path):
    with pytest.raises(
        HarnessError, match=r"are evaluations over different class lists \(6 and \d+ classes\)"
    ):
        compare_evaluations(evaluated, RELEASE_0_1 / "eval")
    copy = shutil.copytree(another, tmp_path / "copy")
    table = pd.read_parquet(copy / "predictions.parquet")
    table.assign(key="other-" + table["key"]).to_parquet(copy / "predictions.parquet")
    believe_predictions(copy)
    with pytest.raises(HarnessError, match="have no evaluated video in common"):
        compare_evaluations(evaluated, copy)
    text = json.loads((copy / "results.json").read_text())
    assert text["format"] == "vidprep evaluation 2"


def test_other_labels_for_the_same_videos_are_refused(evaluated, tmp_path):
    other = shutil.copytree(evaluated, tmp_path / "other")
    table = pq.read_table(other / "predictions.parquet")
    labels = [(table["label"][0].as_py() + 1) % 5, *table["label"].to_pylist()[1:]]
    table = table.set_column(1, "label", pa.array(labels, pa.int32()))
    pq.write_table(table, other / "predictions.parquet")
    believe_predictions(other)
    with pytest.raises(HarnessError, match=r"other labels for 1 of 7 common videos, \S+ is the first"):
        compare_evaluations(evaluated, other)
