"""The principle: whatever the class, a flow keeps the scene uniform, in every dimension and pair of them."""

import numpy as np
import pytest

from vidprep.recipes.manifests import read_subset
from vidprep.synth.motions import DIMENSIONS, MOTIONS, drawable_classes

CASES = [(dataset, name) for dataset, motions in MOTIONS.items() for name in motions]
NUM_SCENES = 20_000


def test_number_of_classes():
    assert {dataset: len(motions) for dataset, motions in MOTIONS.items()} == {"ssv2": 18, "k400": 14}


@pytest.mark.parametrize(("dataset", "subset"), [("ssv2", "mini_ssv2"), ("k400", "mini_k400")])
def test_classes_lie_in_the_mini_subsets(dataset, subset):
    assert set(drawable_classes(dataset)) <= set(read_subset(subset).labels.classes)


def test_unknown_dataset():
    with pytest.raises(ValueError, match=r"one of diving48, epic100, .*, k400, .*, ssv2, ucf101, got 'ucf'"):
        drawable_classes("ucf")


@pytest.mark.parametrize(("dataset", "name"), CASES)
@pytest.mark.parametrize("seconds", [0.37, 4.2])
def test_every_flow_keeps_the_uniform_distribution(dataset, name, seconds):
    start = dict(zip(DIMENSIONS, np.random.default_rng(0).random((len(DIMENSIONS), NUM_SCENES)), strict=True))
    moved = MOTIONS[dataset][name](start, np.asarray(seconds))
    scenes = np.stack([moved[dimension] for dimension in DIMENSIONS])
    assert scenes.min() >= 0.0
    assert scenes.max() < 1.0
    assert _largest_surprise(scenes) < 5.0
    relative = (scenes[DIMENSIONS.index("b_x")] - scenes[DIMENSIONS.index("a_x")]) % 1.0
    assert _largest_surprise(np.stack([relative, *scenes])) < 5.0


def test_the_measure_sees_a_flow_that_does_not():
    """Keeping `x` in range by clipping instead of by a circle piles it up at the end."""
    x = np.random.default_rng(0).random((2, NUM_SCENES))
    assert _largest_surprise(np.minimum(x + 0.1, 0.999)) > 20.0


def _largest_surprise(scenes):
    """Return the largest deviation (in sigmas) of a cell of the 8 x 8 histograms of all pairs."""
    cells = (scenes * 8).astype(int)
    expected = NUM_SCENES / 64
    worst = 0.0
    for i in range(len(cells)):
        for j in range(i):
            counts = np.bincount(cells[i] * 8 + cells[j], minlength=64)
            worst = max(worst, float(np.abs(counts - expected).max() / np.sqrt(expected)))
    return worst


MOVING = {
    "Pulling something from right to left": ("a_x", -1),
    "Pushing something from left to right": ("a_x", 1),
    "Picking something up": ("a_y", -1),
    "Something falling like a rock": ("a_y", 1),
    "Moving something towards the camera": ("a_size", 1),
    "Moving something away from the camera": ("a_size", -1),
    "Approaching something with your camera": ("zoom", 1),
    "Turning the camera right while filming something": ("b_x", -1),
}


@pytest.mark.parametrize("name", MOVING)
def test_direction(name):
    start = {dimension: np.asarray(0.5) for dimension in DIMENSIONS}
    moved = MOTIONS["ssv2"][name](start, np.asarray(0.2))
    dimension, sign = MOVING[name]
    assert np.sign(moved[dimension] - 0.5) == sign


@pytest.mark.parametrize(("word", "sign"), [("closer to", -1), ("away from", 1)])
def test_the_gap_changes_and_the_middle_stays(word, sign):
    start = {dimension: np.asarray(0.5) for dimension in DIMENSIONS} | {"a_x": np.asarray(0.3)}
    moved = MOTIONS["ssv2"][f"Moving something and something {word} each other"](start, np.asarray(0.1))
    assert np.sign((moved["b_x"] - moved["a_x"]) - 0.2) == sign
    assert moved["b_x"] + moved["a_x"] == pytest.approx(0.8)
    assert moved["a_y"] == moved["b_y"] == 0.5
