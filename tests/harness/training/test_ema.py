"""Trainings that make an average of their weights: saved, gone on with, validated, evaluated."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import vidprep
from tests.helpers.runs.tiny import SETTINGS, options, run
from vidprep.errors import CheckpointError, HarnessError, RecipeError
from vidprep.harness.run_folder import epoch_checkpoints, read_metrics, step_checkpoints
from vidprep.load import LoaderOptions
from vidprep.model.weight_average import decay_at
from vidprep.model.weight_files import read_checkpoint

DECAY = 0.8
EMA = {"optimisation.ema_decay": DECAY, "validation.weights": "ema", "validation.every": 1}
ONE_VIEW = {"eval_views.num_clips": 1, "eval_views.num_crops": 1}
INLINE = LoaderOptions(num_workers=0)


def train(shards, run_dir, settings, **more):
    overrides = [f"{key}={value}" for key, value in (SETTINGS | ONE_VIEW | settings).items()]
    return vidprep.train(
        shards, run_dir, overrides=overrides, loading=INLINE, log_every=1, device="cpu", **more
    )


@pytest.fixture(scope="module")
def averaged(tiny_shards, tmp_path_factory):
    """A run of three epochs with an average, and a checkpoint after every step."""
    run_dir = tmp_path_factory.mktemp("averaged") / "run"
    train(tiny_shards, run_dir, EMA, checkpoint_minutes=0, keep_last=100)
    return run_dir


def saved(run_dir):
    """Checkpoints by optimiser steps."""
    paths = step_checkpoints(run_dir) | {3 * n: path for n, path in epoch_checkpoints(run_dir).items()}
    return {steps: read_checkpoint(paths[steps]) for steps in sorted(paths)}


def validation_lines(run_dir):
    return [line for line in read_metrics(run_dir) if "validation_top1" in line]


def loss_of(shards, checkpoint, out_dir, **more):
    """Mean cross-entropy of an evaluation by one view, from its predictions."""
    results = vidprep.evaluate(shards, checkpoint, out_dir, loading=INLINE, device="cpu", **more)
    rows = pq.read_table(out_dir / "predictions.parquet")
    softmax = np.stack(rows["softmax_sum"].to_pylist())
    return results, -np.log(softmax[np.arange(len(softmax)), rows["label"].to_numpy()]).mean()


def test_the_average_is_that_of_the_weights_of_every_step(averaged):
    found = saved(averaged)
    assert list(found) == list(range(10))
    expected = {name: tensor.double() for name, tensor in found[0]["model"].items()}
    for steps in range(1, 10):
        decay = decay_at(steps, DECAY)
        for name, tensor in found[steps]["model"].items():
            expected[name] = decay * expected[name] + (1 - decay) * tensor
    for name, tensor in found[9]["ema"].items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected[name].float())


def test_a_run_without_an_average_trains_and_validates_the_same_weights(averaged, tiny_shards, tmp_path):
    train(tiny_shards, tmp_path / "run", {"validation.every": 1})
    with_it, without = saved(averaged)[9], saved(tmp_path / "run")[9]
    assert "ema" not in without
    assert all(torch.equal(with_it["model"][name], tensor) for name, tensor in without["model"].items())
    one, loss = loss_of(tiny_shards, averaged, tmp_path / "trained", weights="trained")
    assert one.checkpoint.weights == "trained"
    assert loss == pytest.approx(validation_lines(tmp_path / "run")[-1]["validation_loss"], rel=2e-6)
    with pytest.raises(CheckpointError, match=r"epoch-0003.pt holds no average.*ema_decay=0.9999"):
        vidprep.evaluate(tiny_shards, tmp_path / "run", tmp_path / "ema", weights="ema", loading=INLINE)


def test_it_is_validated_and_evaluated_where_the_recipe_says_so(averaged, tiny_shards, tmp_path):
    results, loss = loss_of(tiny_shards, averaged, tmp_path / "eval")
    assert results.checkpoint.weights == "ema"
    line = validation_lines(averaged)[-1]
    assert loss == pytest.approx(line["validation_loss"], rel=2e-6)
    assert results.top1 == line["validation_top1"]
    text = run(
        "eval", "--shards", tiny_shards, "--checkpoint", averaged, "--out", tmp_path / "eval", "--workers", 0
    )
    assert "nothing is done again" in text and "the average (EMA) of the weights" in text
    with pytest.raises(HarnessError, match=r"weights.*ema"):
        vidprep.evaluate(tiny_shards, averaged, tmp_path / "eval", weights="trained", loading=INLINE)


def test_a_run_that_goes_on_has_the_same_average_to_the_bit(averaged, tiny_shards, tmp_path):
    stopped = tmp_path / "run"
    (stopped / "checkpoints").mkdir(parents=True)
    for path in (averaged / "checkpoints").iterdir():
        if path.name in ("epoch-0000.pt", "epoch-0001.pt", "step-00000004.pt"):
            (stopped / "checkpoints" / path.name).write_bytes(path.read_bytes())
    for name in ("run.json", "recipe.toml", "metrics.jsonl"):
        (stopped / name).write_bytes((averaged / name).read_bytes())
    train(tiny_shards, stopped, EMA, resume=True)
    one, other = saved(averaged)[9], saved(stopped)[9]
    for part in ("model", "ema"):
        assert all(torch.equal(one[part][name], other[part][name]) for name in one[part])


def test_an_average_begins_where_it_is_asked_for(tiny_shards, tmp_path):
    train(tiny_shards, tmp_path / "run", {"optimisation.epochs": 1})
    longer = {"optimisation.ema_decay": DECAY, "optimisation.epochs": 2}
    with pytest.raises(HarnessError, match=r"--allow-change optimisation.ema_decay"):
        train(tiny_shards, tmp_path / "run", longer, resume=True, extend=True)
    allowed = {"extend": True, "allow_change": ["optimisation.ema_decay"]}
    told = []
    train(tiny_shards, tmp_path / "run", longer, resume=True, on_event=told.append, **allowed)
    assert "From step 3 on, optimisation.ema_decay is 0.8 instead of 0.0." in told[0].warnings
    assert any("An average (EMA) of the weights is made" in line for line in told[0].description)
    found = saved(tmp_path / "run")
    assert "ema" not in found[3] and "ema" in found[6]


def test_no_average_is_validated_that_is_not_made(tiny_shards, tmp_path):
    with pytest.raises(RecipeError, match=r"'validation.weights' is \"ema\", and no average"):
        train(tiny_shards, tmp_path / "run", {"validation.weights": "ema"})


@pytest.mark.slow
def test_ranks_with_statistics_of_their_own_validate_what_the_checkpoint_holds(tiny_shards, tmp_path):
    # 8 clips on each rank: batch norm is not synchronised.
    settings = EMA | ONE_VIEW | {"optimisation.batch_size": 16, "optimisation.epochs": 1}
    words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", "--workers", 0, "--log-every", 1]
    changes = {key.replace(".", "__"): value for key, value in settings.items()}
    run(*words, *options(**changes), num_ranks=2)
    results, loss = loss_of(tiny_shards, tmp_path / "run", tmp_path / "eval")
    assert results.checkpoint.weights == "ema"
    assert loss == pytest.approx(validation_lines(tmp_path / "run")[-1]["validation_loss"], rel=2e-6)
