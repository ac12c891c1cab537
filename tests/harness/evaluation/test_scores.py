"""Figures from arrays: worked tables, ties, few classes, few videos."""

import numpy as np
import pytest

from vidprep.harness.evaluation.scores import (
    centre_view,
    label_ranks,
    mean_per_class,
    score_video,
    softmax,
    top_k,
    wilson_interval,
)
from vidprep.recipes.recipe import EvalViews


def array(rows) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_rank_counts_the_classes_before():
    scores = array([[0.1, 3.0, 2.0, -1.0]] * 4)
    assert label_ranks(scores, np.arange(4)).tolist() == [2, 0, 1, 3]


def test_of_equals_the_lowest_label_comes_first():
    scores = array([[1, 3, 3, 2, 3]] * 5)
    assert label_ranks(scores, np.arange(5)).tolist() == [4, 0, 1, 3, 2]
    video = score_video(array([[1, 3, 3, 2]]), 2, centre=0)
    assert (video.predicted, video.logit_rank) == (1, 1)


@pytest.mark.parametrize("label", range(4))
def test_a_video_counts_as_right_if_its_class_is_the_predicted_one(label):
    random = np.random.default_rng(label)
    for _ in range(50):
        video = score_video(random.integers(0, 3, (2, 4)).astype(np.float32), label, centre=1)
        assert (video.logit_rank == 0) == (video.predicted == label)


def test_sums_are_over_the_views():
    logits = array([[2, 0, 0], [0, 1.5, 0], [0, 1.5, 0]])
    video = score_video(logits, 1, centre=0)
    assert video.logit_sum.tolist() == [2, 3, 0]
    np.testing.assert_allclose(video.softmax_sum, softmax(logits).sum(0))
    assert video.softmax_sum.sum() == pytest.approx(3)
    assert (video.logit_rank, video.softmax_rank, video.centre_rank) == (0, 0, 1)


def test_logits_and_softmax_may_disagree():
    # One view is all for class 0; two lean to class 1, and softmax caps what one view can say.
    video = score_video(array([[9, 0], [0, 2], [0, 2]]), 0, centre=0)
    assert (video.logit_rank, video.softmax_rank) == (0, 1)


def test_large_logits_stay_finite():
    video = score_video(array([[1e5, -1e5, 0]]), 0, centre=0)
    assert video.scores.tolist() == [[65504, -65504, 0]]
    assert video.logit_sum.tolist() == [1e5, -1e5, 0]
    assert video.softmax_sum.tolist() == [1, 0, 0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_no_score_of_what_is_no_number(wrong):
    with pytest.raises(ValueError, match="1 of 3 logits are not finite"):
        score_video(array([[1, wrong, 0]]), 0, centre=0)


def test_top_k():
    ranks = np.array([0, 1, 4, 5])
    assert [top_k(ranks, k) for k in (1, 2, 5, 6)] == [0.25, 0.5, 0.75, 1.0]


def test_top_5_of_three_classes_is_all():
    ranks = label_ranks(array([[3, 2, 1]] * 3), np.arange(3))
    assert (top_k(ranks, 1), top_k(ranks, 5)) == (1 / 3, 1.0)


def test_mean_per_class_counts_classes_that_occur_alike():
    labels = np.array([0, 0, 0, 2])  # class 1 has no video
    ranks = np.array([0, 0, 1, 3])
    assert mean_per_class(ranks, labels) == pytest.approx((2 / 3 + 0) / 2)


def test_no_figures_of_no_videos():
    nothing = np.array([], dtype=np.int64)
    for figure in (lambda: top_k(nothing, 1), lambda: mean_per_class(nothing, nothing)):
        with pytest.raises(ValueError, match="at least one video"):
            figure()
    with pytest.raises(ValueError, match="num_videos must be at least 1, got 0"):
        wilson_interval(0.5, 0)


def test_wilson_interval_of_all_and_of_none():
    ends = 1.959964**2 / (10 + 1.959964**2)  # the closed form where nothing, or everything, is right
    assert wilson_interval(0.0, 10) == pytest.approx((0, ends), abs=1e-6)
    assert wilson_interval(1.0, 10) == pytest.approx((1 - ends, 1), abs=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.6756])
def test_ends_of_wilson_interval_are_where_the_share_is_just_likely(share):
    """From each end, the observed share is 1.96 of that end's own standard deviations away."""
    low, high = wilson_interval(share, 500)
    for end in (low, high):
        assert abs(share - end) / np.sqrt(end * (1 - end) / 500) == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize(
    ("num_clips", "num_crops", "crops", "centre"),
    [
        (3, 3, "even", 4),
        (10, 3, "even", 16),
        (2, 3, "even", 4),
        (2, 3, "ibm", 5),  # crops come as left, right, centre
        (10, 3, "ibm", 17),
        (3, 1, "even", 1),
        (10, 1, "ibm", 5),
        (1, 1, "even", 0),
    ],
)
def test_centre_view(num_clips, num_crops, crops, centre):
    views = EvalViews(num_clips=num_clips, num_crops=num_crops, crops=crops)
    assert centre_view(views) == centre
