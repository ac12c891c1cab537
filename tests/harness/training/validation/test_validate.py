"""Validation while training: exact, on any number of ranks, and without a trace in the training."""

import json

import pytest
import torch

import vidprep
from tests.helpers.runs.tiny import SETTINGS, losses, options, run
from vidprep.errors import HarnessError
from vidprep.harness.run_folder import best_checkpoint_path, epoch_checkpoints, read_metrics
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.validation.validate import chosen_rows, is_due
from vidprep.load import LoaderOptions
from vidprep.model.weight_files import read_checkpoint, read_weights
from vidprep.recipes.recipe import Validation

INLINE = LoaderOptions(num_workers=0)


def train(shards, run_dir, *overrides, **more):
    settings = [f"{key}={value}" for key, value in SETTINGS.items()]
    return vidprep.train(
        shards, run_dir, overrides=[*settings, *overrides], loading=INLINE, log_every=1, device="cpu", **more
    )


def validation_lines(run_dir):
    return [line for line in read_metrics(run_dir) if "validation_top1" in line]


@pytest.fixture(scope="module")
def validated(tiny_shards, tmp_path_factory):
    """A run of three epochs that was validated after each."""
    run_dir = tmp_path_factory.mktemp("validated") / "run"
    train(tiny_shards, run_dir, "validation.every=1", keep_best="top1")
    return run_dir


def test_the_training_is_the_same_to_the_bit_without(validated, tiny_shards, tmp_path):
    train(tiny_shards, tmp_path / "run", "validation.every=0")
    assert not validation_lines(tmp_path / "run")
    steps = [line["loss"] for line in read_metrics(validated) if "loss" in line]
    assert losses(tmp_path / "run").tolist() == steps and len(steps) == 9
    runs = (validated, tmp_path / "run")
    with_it, without = (read_checkpoint(epoch_checkpoints(run_dir)[3])["model"] for run_dir in runs)
    assert all(torch.equal(with_it[name], without[name]) for name in without)


def test_it_is_what_an_evaluation_says(validated, tiny_shards, tmp_path):
    lines = validation_lines(validated)
    assert [line["epoch"] for line in lines] == [1.0, 2.0, 3.0]
    assert all(line["validation_videos"] == 7 for line in lines)
    results = vidprep.evaluate(tiny_shards, validated, tmp_path / "eval", loading=INLINE, device="cpu")
    assert lines[-1]["validation_top1"] == results.centre_view.top1
    assert lines[-1]["validation_top5"] == results.centre_view.top5


def test_a_run_that_was_stopped_while_it_validated_does_so_when_it_goes_on(validated, tiny_shards):
    path = validated / "metrics.jsonl"
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    assert "validation_top1" in lines[-1]
    path.write_text("".join(lines[:-1]))
    train(tiny_shards, validated, "validation.every=1", resume=True)
    again, before = json.loads(path.read_text().splitlines()[-1]), json.loads(lines[-1])
    assert again.pop("validation_seconds") > 0 and before.pop("validation_seconds") > 0
    assert again == before


def test_the_best_is_kept_and_says_how_it_was_chosen(validated, tiny_shards, tmp_path):
    top1 = [line["validation_top1"] for line in validation_lines(validated)]
    best = read_weights(best_checkpoint_path(validated))
    assert best.position["epoch"] == 1 + top1.index(max(top1))
    assert best.selected_by.startswith("validation_top1")
    results = vidprep.evaluate(tiny_shards, best_checkpoint_path(validated), tmp_path / "e", loading=INLINE)
    assert results.checkpoint.selected_by == best.selected_by


@pytest.mark.slow
def test_two_ranks_validate_as_one(validated, tiny_shards, tmp_path):
    words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", "--workers", 0, "--log-every", 1]
    run(*words, *options(validation__every=1), num_ranks=2)
    for one, two in zip(validation_lines(validated), validation_lines(tmp_path / "run"), strict=True):
        assert one["validation_videos"] == two["validation_videos"]
        assert one["validation_top1"] == two["validation_top1"]
        # The training itself differs in the last digits between one and two ranks.
        assert one["validation_loss"] == pytest.approx(two["validation_loss"], rel=1e-3)


def test_crops_that_do_not_fit_are_refused_before_the_first_step(tiny_shards, tmp_path):
    with pytest.raises(HarnessError, match="crop_size 500 does not fit"):
        train(tiny_shards, tmp_path / "run", "validation.every=1", "eval_views.crop_size=500")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_when_and_which():
    epochs = [n for n in range(8) if is_due(Validation(every=3), Position(n, 0, 5), 7)]
    assert epochs == [3, 6, 7]
    assert not is_due(Validation(every=1), Position(1, 2, 5), 7)
    assert not is_due(Validation(), Position(1, 0, 5), 7)
    assert chosen_rows(10, 4) == [0, 2, 5, 7] and chosen_rows(3, 0) == [0, 1, 2] == chosen_rows(3, 9)
