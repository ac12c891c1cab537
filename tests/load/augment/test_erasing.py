"""Rectangles of noise, against arithmetic in Python's own integers."""

import torch

from vidprep.load.augment.erasing import Erased, draw_erased, erase, noise
from vidprep.load.sampling.draws import Draws

_MASK = (1 << 64) - 1


def slow_noise(count, seed):
    """SplitMix64 as it is printed, and the bytes of each number."""
    values = []
    for i in range(1, count + 1):
        bits = (i * 0x9E3779B97F4A7C15 + seed) & _MASK
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
        bits ^= bits >> 31
        values.append((sum(bits.to_bytes(8, "little")) - 1020) / (8 * (256**2 - 1) / 12) ** 0.5)
    return torch.tensor(values)


def test_noise_is_the_same_everywhere():
    for seed in (0, 1, 987654321987654321, (1 << 63) - 1):
        torch.testing.assert_close(
            noise((2, 3, 5), seed, torch.device("cpu")).flatten(), slow_noise(30, seed)
        )


def test_noise_is_nearly_normal():
    values = noise((100_000,), 7, torch.device("cpu"))
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02
    assert abs((values.abs() < 1).float().mean() - 0.6827) < 0.01


def test_rectangles_have_the_share_and_the_place_that_are_asked_for():
    draws = Draws("test")
    drawn = [draw_erased(0.25, (0.02, 1 / 3), 60, 80, draws) for _ in range(2000)]
    found = [one for one in drawn if one]
    assert 0.22 < len(found) / len(drawn) < 0.28
    shares = [one.height * one.width / 4800 for one in found]
    assert 0.015 < min(shares) < 0.04 and 0.3 < max(shares) < 0.345
    assert all(one.top + one.height <= 60 and one.left + one.width <= 80 for one in found)
    assert {one.height > one.width for one in found} == {True, False}


def test_a_rectangle_that_never_fits_is_left_out():
    assert draw_erased(1.0, (0.98, 0.99), 4, 4, Draws("test")) is None


def test_only_the_rectangle_changes():
    clip = torch.full((3, 2, 8, 10), 9.0)
    erase(clip, Erased(top=1, left=2, height=3, width=4, seed=5))
    expected = torch.full((3, 2, 8, 10), 9.0)
    expected[:, :, 1:4, 2:6] = slow_noise(3 * 2 * 3 * 4, 5).view(3, 2, 3, 4)
    torch.testing.assert_close(clip, expected)
