"""An evaluation sees each video once and says so, whatever shares the work."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.runs.small_evaluation import (
    INLINE,
    NUM_CLASSES,
    VIDEOS,
    VIEWS,
    run_evaluation,
    run_ranks,
    write_network,
    write_set,
)
from vidprep.errors import HarnessError
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.ranks import Ranks
from vidprep.load import ViewLoader
from vidprep.load.transforms import to_network_input
from vidprep.model.weights import load_network

KEYS = [f"validation-v{n}" for n in range(len(VIDEOS))]


def predictions(out_dir) -> pd.DataFrame:
    return pd.read_parquet(out_dir / "predictions.parquet")


def stacked(table: pd.DataFrame, column: str) -> np.ndarray:
    return np.stack(table[column].to_list()).astype(np.float64)


def assert_same_scores(first, second) -> None:
    """Both folders hold the same videos in the same order, with scores alike to 1e-5."""
    one, other = predictions(first), predictions(second)
    assert one["key"].tolist() == other["key"].tolist()
    for column, tolerance in (("logit_sum", 1e-5), ("softmax_sum", 1e-5), ("scores", 2e-3)):
        np.testing.assert_allclose(
            stacked(one, column), stacked(other, column), rtol=tolerance, atol=tolerance
        )


def test_scores_are_those_of_the_network_view_by_view(evaluated, shards, network):
    net = load_network(network)
    table = predictions(evaluated)
    assert table["key"].tolist() == KEYS
    for row, batch in enumerate(ViewLoader(shards, "validation", views=VIEWS, options=INLINE)):
        with torch.inference_mode():
            logits = torch.cat([net(view[None]) for view in to_network_input(batch)])
        assert logits.std() > 0.1
        found = table.iloc[row]
        assert (found["key"], found["label"]) == (batch.key[0], int(batch.label[0]))
        np.testing.assert_allclose(found["scores"].reshape(9, NUM_CLASSES), logits, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(found["logit_sum"], logits.sum(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["softmax_sum"], logits.softmax(1).sum(0), rtol=1e-5, atol=1e-5)
        assert found["predicted"] == int(logits.sum(0).argmax())


def test_columns_are_the_documented_ones(evaluated):
    table = predictions(evaluated)
    assert table.columns.tolist() == ["key", "label", "predicted", "scores", "logit_sum", "softmax_sum"]
    assert [str(table[name].iloc[0].dtype) for name in table.columns[3:]] == ["float16", "float32", "float32"]


def test_results_follow_from_the_predictions(evaluated, shards, network):
    table, results = predictions(evaluated), read_results(evaluated)
    right = table["predicted"] == table["label"]
    assert results.top1 == right.mean()
    assert results.mean_per_class == pytest.approx(right.groupby(table["label"]).mean().mean())
    top5 = np.argsort(-stacked(table, "logit_sum"), axis=1)[:, :5]
    assert results.top5 == np.mean([label in row for label, row in zip(table["label"], top5, strict=True)])
    centre = stacked(table, "scores").reshape(-1, 9, NUM_CLASSES)[:, 1 * 3 + 1]
    assert results.centre_view.top1 == (centre.argmax(1) == table["label"]).mean()
    assert results.softmax_sum.top1 == (stacked(table, "softmax_sum").argmax(1) == table["label"]).mean()
    assert results.interval.top1[0] < results.top1 < results.interval.top1[1]


def test_results_say_what_they_are_of(evaluated, shards, network):
    results = json.loads((evaluated / "results.json").read_text())
    assert results["format"] == "vidprep evaluation 2"
    assert results["all_stored_scored"] is True
    assert results["coverage"] == {"stored": 7, "scored": 7, "unscored": 0, "duplicates": 0, "failed": []}
    assert (results["checkpoint"]["epoch"], results["checkpoint"]["total_steps"]) == (3, 30)
    assert len(results["checkpoint"]["sha256"]) == 64
    assert results["shards"]["split"] == "validation"
    assert results["classes"] == [f"class {n}" for n in range(NUM_CLASSES)]
    assert results["views"] == VIEWS.model_dump()
    assert results["protocol"] is None
    assert results["recipe"]["model"]["width"] == 4
    assert results["views_per_second"] == pytest.approx(7 * 9 / results["seconds"])
    assert results["environment"]["precision"] == "fp32"
    assert not (evaluated / "parts").exists()


@pytest.mark.parametrize("micro_batch", [1, 4, 100])
def test_any_micro_batch_gives_the_same_scores(evaluated, shards, network, tmp_path, micro_batch):
    run_evaluation(network, shards, tmp_path, micro_batch=micro_batch)
    assert_same_scores(evaluated, tmp_path)


@pytest.mark.parametrize("world_size", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_any_number_of_ranks_gives_the_same_scores(evaluated, shards, network, tmp_path, world_size):
    done = run_ranks(world_size, "--shards", shards, "--checkpoint", network, "--out", tmp_path / "out",
                     "--micro-batch", 5, "--workers", 0)  # fmt: skip
    assert [process.returncode for process in done] == [0] * world_size, done
    assert "sum of logits" in done[0].stdout
    assert all(not process.stdout for process in done[1:])
    assert_same_scores(evaluated, tmp_path / "out")
    assert read_results(tmp_path / "out").coverage == read_results(evaluated).coverage
    assert read_results(tmp_path / "out").environment["num_ranks"] == world_size


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_gives_the_same_scores_but_for_bfloat16(evaluated, shards, network, tmp_path):
    results = run_evaluation(network, shards, tmp_path, ranks=Ranks(0, 1, torch.device("cuda", 0)))
    assert results.environment["precision"] == "bf16"
    one, other = (stacked(predictions(path), "logit_sum") for path in (evaluated, tmp_path))
    assert np.abs(one - other).max() < 0.05 * np.abs(one).max()


@pytest.mark.slow
def test_more_ranks_than_videos(samples, network, tmp_path):
    two = [item for item in samples if item.split == "train" or item.video_id in ("v0", "v1")]
    shards = write_set(tmp_path / "two", two)
    done = run_ranks(
        3, "--shards", shards, "--checkpoint", network, "--out", tmp_path / "out", "--workers", 0
    )
    assert [process.returncode for process in done] == [0, 0, 0], done
    coverage = read_results(tmp_path / "out").coverage
    assert (coverage.stored, coverage.scored, coverage.duplicates) == (2, 2, 0)
    assert predictions(tmp_path / "out")["key"].tolist() == KEYS[:2]


def test_the_train_split_with_its_own_views(shards, network, tmp_path):
    results = run_evaluation(
        network,
        shards,
        tmp_path,
        split="train",
        overrides=["eval_views.num_clips=1", "eval_views.num_crops=1"],
    )
    assert (results.coverage.stored, results.views.num_clips) == (NUM_CLASSES, 1)
    assert len(predictions(tmp_path)["scores"].iloc[0]) == NUM_CLASSES
    # Training videos are all the same one, under every label: one is right, and each class counts alike.
    assert results.top1 == results.mean_per_class == pytest.approx(1 / NUM_CLASSES)
    assert results.top5 == pytest.approx(5 / NUM_CLASSES)


def test_a_network_that_gives_no_numbers(shards, network, tmp_path):
    content = torch.load(network, weights_only=True)
    content["model"]["fc.bias"][0] = float("nan")
    torch.save(content, tmp_path / "diverged.pt")
    with pytest.raises(
        HarnessError, match=r"diverged.pt gives no usable scores for validation-v0: 9 of 54 log"
    ):
        run_evaluation(tmp_path / "diverged.pt", shards, tmp_path / "out")


def test_other_weights_give_other_scores(evaluated, shards, tmp_path):
    other = write_network(tmp_path / "other.pt", shards, VIEWS, seed=1)
    run_evaluation(other, shards, tmp_path / "out")
    one, two = (stacked(predictions(path), "logit_sum") for path in (evaluated, tmp_path / "out"))
    assert np.abs(one - two).min() > 1e-4
