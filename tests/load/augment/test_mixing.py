"""Mixup and CutMix, against the same pixel by pixel."""

import numpy as np
import pytest
import scipy.stats
import torch

from vidprep.load.augment.distributions import draw_beta, draw_normal
from vidprep.load.augment.mixing import (
    Cut,
    Mix,
    clip_numbers,
    draw_mixes,
    label_shares,
    mix_clips,
    neighbours,
    smoothed,
)
from vidprep.load.sampling.draws import Draws
from vidprep.recipes.augmentation import Augmentation

SIZE = {"height": 12, "width": 20}


@pytest.mark.parametrize("alpha", [0.2, 0.8, 1.0, 3.0])
def test_shares_are_of_the_beta_distribution(alpha):
    draws = Draws("test")
    drawn = [draw_beta(draws, alpha) for _ in range(1500)]
    assert scipy.stats.kstest(drawn, scipy.stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_normal_numbers_are_normal():
    draws = Draws("test")
    drawn = [draw_normal(draws, 7, 0.5) for _ in range(1500)]
    assert scipy.stats.kstest(drawn, scipy.stats.norm(7, 0.5).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("keys", "pairs", "numbers"),
    [
        ("abcd", [(0, 1), (2, 3)], [0, 0, 0, 0]),
        ("abc", [(0, 1)], [0, 0, 0]),
        ("aabbcc", [(0, 2), (1, 3)], [0, 1, 0, 1, 0, 1]),
        ("a", [], [0]),
        ("", [], []),
    ],
)
def test_neighbours_are_clips_of_two_videos(keys, pairs, numbers):
    assert neighbours(tuple(keys)) == pairs
    assert clip_numbers(tuple(keys)) == numbers


def test_a_part_of_a_batch_is_mixed_as_the_whole():
    augmentation = Augmentation(mixup_alpha=0.8, cutmix_alpha=1.0)
    keys = tuple("abcdefgh")
    whole = draw_mixes(augmentation, keys, seed=1, epoch=2, **SIZE)
    part = draw_mixes(augmentation, keys[4:], seed=1, epoch=2, **SIZE)
    assert len(whole) == 4 and len({mix.share for mix in whole}) == 4
    assert [mix._replace(first=mix.first + 4, second=mix.second + 4) for mix in part] == whole[2:]
    assert draw_mixes(augmentation, keys, seed=1, epoch=3, **SIZE) != whole


def test_how_often_what_is_done():
    augmentation = Augmentation(
        mixup_alpha=0.8, cutmix_alpha=1.0, mix_probability=0.6, cutmix_probability=0.25
    )
    keys = tuple(str(i) for i in range(4000))
    drawn = draw_mixes(augmentation, keys, seed=0, epoch=0, **SIZE)
    assert 0.57 < len(drawn) / 2000 < 0.63
    cuts = [mix for mix in drawn if mix.cut]
    assert 0.21 < len(cuts) / len(drawn) < 0.29
    for mix in cuts:
        top, bottom, left, right = mix.cut
        assert 0 <= top <= bottom <= 12 and 0 <= left <= right <= 20
        assert mix.share == 1 - (bottom - top) * (right - left) / 240
    for only, has_cut in ((Augmentation(mixup_alpha=1), False), (Augmentation(cutmix_alpha=1), True)):
        drawn = draw_mixes(only, keys[:100], seed=0, epoch=0, **SIZE)
        assert len(drawn) == 50 and all((mix.cut is not None) == has_cut for mix in drawn)


def test_mixed_clips_and_labels_are_those_of_a_slow_loop():
    clips = torch.randn(5, 3, 2, 6, 7, generator=torch.Generator().manual_seed(0))
    before = clips.numpy().copy()
    mixes = [Mix(0, 1, 0.7, None), Mix(2, 3, 1 - 6 / 42, Cut(1, 4, 5, 7))]
    mix_clips(clips, mixes)
    expected = before.copy()
    for c, t, y, x in np.ndindex(3, 2, 6, 7):
        expected[0, c, t, y, x] = 0.7 * before[0, c, t, y, x] + 0.3 * before[1, c, t, y, x]
        expected[1, c, t, y, x] = 0.7 * before[1, c, t, y, x] + 0.3 * before[0, c, t, y, x]
        if 1 <= y < 4 and 5 <= x < 7:
            expected[2, c, t, y, x] = before[3, c, t, y, x]
            expected[3, c, t, y, x] = before[2, c, t, y, x]
    np.testing.assert_allclose(clips.numpy(), expected, atol=1e-6)
    shares = label_shares(torch.tensor([2, 0, 1, 1, 2]), 3, mixes)
    np.testing.assert_allclose(
        shares, [[0.3, 0, 0.7], [0.7, 0, 0.3], [0, 1, 0], [0, 1, 0], [0, 0, 1]], atol=1e-6
    )
    np.testing.assert_allclose(smoothed(shares, 0.3)[4], [0.1, 0.1, 0.8], atol=1e-6)
