"""Which operations are drawn, and that they are a function of seed, epoch and key."""

from collections import Counter

import pytest
import torch

from vidprep.load.augment.policies import (
    Operation,
    apply_operations,
    draw_jitter,
    draw_operations,
    draw_rand_augment,
)
from vidprep.load.sampling.draws import Draws
from vidprep.recipes.augmentation import Augmentation, RandAugment

# From SlowFast's table for "inc1" at magnitude 7 without deviation, both signs.
AT_SEVEN = {
    "auto_contrast": {0.0},
    "equalize": {0.0},
    "invert": {0.0},
    "rotate": {-21.0, 21.0},
    "posterize": {2.0},
    "solarize": {77.0},
    "solarize_add": {77.0},
    "saturation": {0.37, 1.63},
    "contrast": {0.37, 1.63},
    "brightness": {0.37, 1.63},
    "sharpness": {0.37, 1.63},
    "shear_x": {-0.21, 0.21},
    "shear_y": {-0.21, 0.21},
    "translate_x": {-0.315, 0.315},
    "translate_y": {-0.315, 0.315},
}


def test_rand_augment_draws_each_operation_with_its_arguments():
    draws, found, num_drawn = Draws("test"), {}, Counter()
    for _ in range(1000):
        for name, argument in draw_rand_augment(RandAugment(7, 4, 0), draws):
            found.setdefault(name, set()).add(round(argument, 6))
            num_drawn[name] += 1
    assert found == AT_SEVEN
    assert 0.46 < num_drawn.total() / 4000 < 0.54  # each is carried out with probability 0.5
    assert all(85 < count < 185 for count in num_drawn.values())  # 133 are expected


def test_a_deviation_varies_the_magnitude():
    draws = Draws("test")
    drawn = [one for _ in range(400) for one in draw_rand_augment(RandAugment(9, 2, 2), draws)]
    degrees = [abs(argument) for name, argument in drawn if name == "rotate"]
    assert len(set(degrees)) > 10 and max(degrees) == 30 and min(degrees) > 3  # cut off at 10


def test_jitter_draws_all_four_in_any_order():
    augmentation = Augmentation(brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1)
    draws, orders = Draws("test"), Counter()
    for _ in range(600):
        drawn = draw_jitter(augmentation, draws)
        orders[tuple(name for name, _ in drawn)] += 1
        arguments = dict(drawn)
        assert 0.6 <= arguments["brightness"] <= 1.4 and 0.8 <= arguments["saturation"] <= 1.2
        assert 0.7 <= arguments["contrast"] <= 1.3 and -0.1 <= arguments["hue"] <= 0.1
    assert len(orders) == 24
    only_hue = draw_jitter(Augmentation(hue=0.5), Draws("test"))
    assert [name for name, _ in only_hue] == ["hue"]


def test_words_decide():
    augmentation = Augmentation(brightness=0.4, rand_augment="rand-m7-n4-mstd0.5-inc1")
    words = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (0, 0, "a", 1)]
    drawn = [tuple(draw_operations(augmentation, *of)) for of in words]
    assert len(set(drawn)) == 5
    assert drawn[0] == tuple(draw_operations(augmentation, 0, 0, "a"))
    assert draw_operations(Augmentation(), 0, 0, "a") == []


def test_these_are_the_numbers_of_this_release():
    """A run that is resumed after an upgrade goes on with the same clips."""
    augmentation = Augmentation(brightness=0.4, rand_augment="rand-m7-n4-mstd0.5-inc1")
    drawn = draw_operations(augmentation, 5, 2, "train-video")
    assert [(name, round(argument, 9)) for name, argument in drawn] == [
        ("brightness", 1.195957564),
        ("saturation", 0.437476964),
        ("equalize", 0.0),
        ("saturation", 1.576086425),
    ]


def test_all_frames_are_treated_alike():
    frame = torch.randint(0, 256, (1, 3, 16, 16)).float()
    operations = [Operation("rotate", 12.0), Operation("contrast", 1.4), Operation("hue", 0.1)]
    clip = apply_operations(frame.expand(3, 3, 16, 16), operations)
    assert torch.equal(clip[0], clip[2]) and not torch.equal(clip[:1], frame)


@pytest.mark.parametrize("text", ["rand-m9", "rand-m11-n2-inc1", "rand-m7-n4-mstd0.5", "augmix-m3-n2-inc1"])
def test_other_notations_are_refused(text):
    with pytest.raises(ValueError, match=rf"'rand_augment' must be like .* got \"{text}\""):
        Augmentation(rand_augment=text)
