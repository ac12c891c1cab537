"""Table A's learning rates and numbers of steps, from real counts."""

import math

import pytest

from vidprep.harness.training.schedule import learning_rate, steps_per_epoch
from vidprep.recipes.classes import expected_counts
from vidprep.recipes.pipelines import read_pipeline
from vidprep.recipes.recipe import Optimisation

STEP = Optimisation(batch_size=24, schedule="step", milestones=(15, 30), epochs=35)
COSINE = Optimisation(schedule="cosine", epochs=100)


@pytest.mark.parametrize(
    ("pipeline", "per_epoch", "total"),
    [
        ("ssv2", 5278, 527_800),
        ("mini_ssv2", 3402, 119_070),
        ("k400", 7536, 753_600),
        ("mini_k400", 3806, 171_270),
    ],
)
def test_steps_of_table_a(pipeline, per_epoch, total):
    recipe = read_pipeline(pipeline)
    num_videos = expected_counts(recipe.dataset)["train"]
    assert steps_per_epoch(num_videos, recipe.optimisation.batch_size) == per_epoch
    assert steps_per_epoch(num_videos, 2 * recipe.optimisation.batch_size, 2) == per_epoch
    assert per_epoch * recipe.optimisation.epochs == total


@pytest.mark.parametrize(
    ("epoch", "lr"), [(0, 0.01), (14, 0.01), (15, 0.001), (29, 0.001), (30, 0.0001), (34, 0.0001)]
)
def test_step_decay_comes_after_its_milestones(epoch, lr):
    assert learning_rate(STEP, epoch * 3402, 3402) == pytest.approx(lr)
    assert learning_rate(STEP, epoch * 3402 + 3401, 3402) == pytest.approx(lr)


@pytest.mark.parametrize(
    ("epochs", "lr"),
    [
        (0, 0.01),
        (25, 0.01 * (1 + math.sqrt(0.5)) / 2),
        (50, 0.005),
        (75, 0.01 * (1 - math.sqrt(0.5)) / 2),
        (100, 0),
    ],
)
def test_cosine_goes_to_zero(epochs, lr):
    assert learning_rate(COSINE, epochs * 5278, 5278) == pytest.approx(lr, abs=1e-12)


def test_cosine_by_iteration_falls_within_an_epoch_and_by_epoch_does_not():
    by_epoch = COSINE.model_copy(update={"cosine_per": "epoch"})
    assert learning_rate(COSINE, 5277, 5278) < learning_rate(COSINE, 0, 5278)
    assert learning_rate(by_epoch, 5277, 5278) == 0.01
    assert learning_rate(by_epoch, 5278, 5278) == pytest.approx(0.005 * (1 + math.cos(math.pi / 100)))
