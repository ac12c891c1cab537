"""Crops and flips: worked examples, and that every box lies inside its frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidprep.load.sampling.crops import eval_boxes, largest_train_side, multi_scale_sizes, train_box
from vidprep.load.sampling.draws import Draws
from vidprep.load.sampling.flips import partner_labels, train_flip
from vidprep.load.sampling.views import Box
from vidprep.recipes.manifests import read_dataset, read_subset
from vidprep.recipes.recipe import EvalViews, TrainClip

SPATIAL = ("random_crop", "short_side_jitter", "multi_scale")


@pytest.mark.parametrize(
    ("width", "height", "crops", "places"),
    [
        (340, 256, "even", [(0, 0), (42, 0), (84, 0)]),
        (455, 256, "even", [(0, 0), (99, 0), (199, 0)]),
        (256, 340, "even", [(0, 0), (0, 42), (0, 84)]),
        (455, 256, "ibm", [(0, 0), (196, 0), (98, 0)]),
        (256, 455, "ibm", [(0, 0), (0, 196), (0, 98)]),
    ],
)
def test_eval_boxes(width, height, crops, places):
    boxes = eval_boxes(EvalViews(crops=crops), width, height)
    assert boxes == [Box(y, x, 256, 256) for x, y in places]


def test_one_crop_is_the_centre():
    assert eval_boxes(EvalViews(num_crops=1, crop_size=224), 340, 256) == [Box(16, 58, 224, 224)]


@given(
    short=st.integers(224, 300),
    extra=st.integers(0, 400),
    tall=st.booleans(),
    spatial=st.sampled_from(SPATIAL),
    seed=st.integers(0, 2**32),
)
def test_training_box_lies_inside_the_frame(short, extra, tall, spatial, seed):
    width, height = (short, short + extra) if tall else (short + extra, short)
    clip = TrainClip(spatial=spatial)
    box = train_box(clip, width, height, Draws("crop", seed))
    assert min(box) >= 0
    assert box.top + box.height <= height
    assert box.left + box.width <= width
    if short >= 256 or spatial != "short_side_jitter":
        assert max(box.height, box.width) <= largest_train_side(clip, width, height)


def test_jitter_is_the_same_field_of_view():
    """A 224 crop of short side 320 shows 224 / 320 of the frame's height; of 256, 224 / 256."""
    boxes = [
        train_box(TrainClip(spatial="short_side_jitter"), 340, 256, Draws("crop", i)) for i in range(3000)
    ]
    sides = {box.height for box in boxes}
    assert (min(sides), max(sides)) == (round(224 * 256 / 320), 224)
    assert all(box.height == box.width for box in boxes)


def test_multi_scale_has_ten_sizes_and_thirteen_places():
    sizes = multi_scale_sizes(224, 256)
    assert sizes[:2] == [(256, 256), (256, 224)]
    assert len(sizes) == 10  # 4 squares and 3 neighbouring pairs, both ways
    boxes = {train_box(TrainClip(spatial="multi_scale"), 340, 256, Draws("crop", i)) for i in range(9000)}
    squares = {box for box in boxes if (box.height, box.width) == (168, 168)}
    assert len(squares) == 13
    assert Box(4 * ((256 - 168) // 4), 4 * ((340 - 168) // 4), 168, 168) in squares


@pytest.mark.parametrize(
    "call",
    [
        lambda: train_box(TrainClip(), 220, 500, Draws()),
        lambda: largest_train_side(TrainClip(), 500, 220),
        lambda: largest_train_side(TrainClip(spatial="multi_scale"), 222, 300),
        lambda: eval_boxes(EvalViews(), 300, 250),
    ],
)
def test_crop_does_not_fit(call):
    with pytest.raises(ValueError, match=r"crop_size \d+ does not fit into a \d+x\d+ frame"):
        call()


def partners(classes):
    pairs = [pair.classes for pair in read_dataset("ssv2").flip_partners]
    return partner_labels({name: label for label, name in enumerate(classes)}, pairs)


def test_ssv2_partners():
    """86/87, 93/94 and 166/167 in official indices; "right" also stands in 21, 50, 117 and 119."""
    both = partners(read_dataset("ssv2").labels.classes)
    assert both == {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}


def test_mini_ssv2_lacks_the_partners():
    """Mini-SSv2 holds 87, 93 and 167 only, so their clips are never mirrored."""
    classes = read_subset("mini_ssv2").labels.classes
    missing = partners(classes)
    assert len(missing) == 3
    assert set(missing.values()) == {None}
    for label in missing:
        assert all(train_flip("safe", label, missing, Draws(i)) == (False, label) for i in range(50))


@given(label=st.integers(0, 173), seed=st.integers(0, 2**32), rule=st.sampled_from(("none", "safe", "all")))
def test_flip_keeps_or_swaps(label, seed, rule):
    both = partners(read_dataset("ssv2").labels.classes)
    flipped, shown = train_flip(rule, label, both, Draws("flip", seed))
    assert not (rule == "none" and flipped)
    assert shown == (both.get(label, label) if flipped and rule == "safe" else label)


def test_half_of_the_clips_are_flipped():
    flips = [train_flip("all", 3, {}, Draws("flip", 0, i))[0] for i in range(4000)]
    assert 1850 < sum(flips) < 2150
