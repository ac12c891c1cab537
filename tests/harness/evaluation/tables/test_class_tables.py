"""per_class.csv, confusion.parquet, turned_into.csv, and the shape of predictions.parquet."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.runs.small_evaluation import NUM_CLASSES
from vidprep.errors import HarnessError
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.evaluation.scores import wilson_interval
from vidprep.harness.evaluation.tables.per_class import class_table, confusion_table
from vidprep.harness.evaluation.tables.predictions import read_predictions, read_scores
from vidprep.harness.evaluation.tables.turned_classes import turned_table

CLASSES = ("left", "right", "down, then up", "still")
LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 1, 1, 2, 1, 0, 2])


def test_classes_that_occur_in_label_order():
    table = class_table(LABELS, PREDICTED, (PREDICTED != LABELS) * 5, CLASSES)
    assert table["class"].tolist() == ["left", "right", "down, then up"]
    assert table["top1"].tolist() == [0.25, 0.5, 1.0]
    assert table["top5"].tolist() == [0.25, 0.5, 1.0]
    assert (table["top1_low"][0], table["top1_high"][0]) == wilson_interval(0.25, 4)
    assert table["taken_for"].tolist() == ["right", "left", ""]
    assert table["num_taken_for"].tolist() == [2, 1, 0]


def test_confusions_have_names_and_add_up():
    rows = confusion_table(LABELS, PREDICTED, CLASSES).to_pylist()
    assert sum(row["num_videos"] for row in rows) == len(LABELS)
    assert [(row["class"], row["predicted_class"], row["num_videos"], row["share"]) for row in rows[:3]] == [
        ("left", "right", 2, 0.5),
        ("left", "left", 1, 0.25),
        ("left", "down, then up", 1, 0.25),
    ]


def test_what_turns_into_what():
    labels, predicted = np.repeat([0, 1, 3], 4), np.array([1, 1, 1, 1, 0, 0, 0, 1, 3, 3, 2, 3])
    table = turned_table(labels, predicted, CLASSES)
    assert table[["class", "turns_into", "share", "stays"]].to_numpy().tolist() == [
        ["left", "right", 1.0, 0.0],
        ["right", "left", 0.75, 0.25],
        ["still", "still", 0.75, 0.75],
    ]


def test_an_evaluation_writes_them(evaluated):
    results, predictions = read_results(evaluated), read_predictions(evaluated)
    table = pd.read_csv(evaluated / "per_class.csv")
    assert (table["top1"] * table["num_videos"]).sum() == pytest.approx(results.top1 * 7)
    assert table["top1"].mean() == pytest.approx(results.mean_per_class)
    confusion = pq.read_table(evaluated / "confusion.parquet").to_pandas()
    assert set(confusion["class"]) == set(table["class"])
    right = confusion[confusion["class"] == confusion["predicted_class"]]["num_videos"].sum()
    assert right == (predictions["label"] == predictions["predicted"]).sum()
    assert not (evaluated / "turned_into.csv").exists()


def test_scores_have_a_shape_and_classes_a_name(evaluated):
    keys, scores = read_scores(evaluated)
    assert (scores.shape, scores.dtype) == ((7, 9, NUM_CLASSES), np.float16)
    assert keys == read_predictions(evaluated)["key"].tolist()
    schema = pq.read_schema(evaluated / "predictions.parquet")
    assert schema.field("scores").type.list_size == 9 * NUM_CLASSES
    assert json.loads(schema.metadata[b"vidprep.classes"]) == list(read_results(evaluated).classes)
    assert json.loads(schema.metadata[b"vidprep.scores_shape"]) == [9, NUM_CLASSES]
    frame = pd.read_parquet(evaluated / "predictions.parquet")
    np.testing.assert_array_equal(np.stack(frame["scores"]).reshape(7, 9, -1), scores)


def test_predictions_of_release_0_1_are_read(tmp_path):
    results = read_results(RELEASE_0_1 / "eval")
    keys, scores = read_scores(RELEASE_0_1 / "eval")
    assert len(keys) == 6
    assert scores.shape == (6, results.views.num_clips * results.views.num_crops, len(results.classes))
    sums = np.stack(read_predictions(RELEASE_0_1 / "eval")["logit_sum"])
    np.testing.assert_allclose(scores.astype(np.float32).sum(1), sums, atol=0.05)
    with pytest.raises(HarnessError, match=r"predictions\.parquet cannot be read"):
        read_scores(tmp_path)
