"""Random erasing: a rectangle of noise through all frames of a clip (Zhong et al. 2020, arXiv 1708.04896)."""

import math
from typing import NamedTuple

import torch

from vidprep.load.sampling.draws import Draws

_MIN_ASPECT = 0.3
_TRIES = 100  # rectangles that do not fit are drawn again
# SplitMix64 (Steele, Lea & Flood 2014) in the signed integers that torch has.
_GOLDEN, _FIRST, _SECOND = (
    value - (1 << 64) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
# A sum of 8 bytes, each from 0 to 255.
_MEAN, _STD = 8 * 127.5, math.sqrt(8 * (256**2 - 1) / 12)


class Erased(NamedTuple):
    """A rectangle, in pixels of the network's input, and the seed of its noise."""

    top: int
    left: int
    height: int
    width: int
    seed: int


def draw_erased(
    probability: float, area: tuple[float, float], height: int, width: int, draws: Draws
) -> Erased | None:
    """Return the rectangle to erase of a clip of `height` x `width`, or None: a function of the draws.

    The rectangle's share of the frame is uniform in `area` (lowest, highest), the logarithm of its height /
    width is uniform between those of 0.3 and 1 / 0.3; a rectangle that does not fit is drawn again.
    """
    if draws.uniform() >= probability:
        return None
    for _ in range(_TRIES):
        size = draws.uniform(*area) * height * width
        aspect = math.exp(draws.uniform(math.log(_MIN_ASPECT), -math.log(_MIN_ASPECT)))
        rows, columns = round(math.sqrt(size * aspect)), round(math.sqrt(size / aspect))
        if 0 < rows < height and 0 < columns < width:
            top, left = draws.below(height - rows + 1), draws.below(width - columns + 1)
            return Erased(top, left, rows, columns, draws.below(1 << 63))
    return None


def erase(clip: torch.Tensor, erased: Erased) -> None:
    """Write noise of mean 0, deviation 1 into a rectangle of a normalised clip (3, T, H, W), in place."""
    top, left, height, width, seed = erased
    shape = (*clip.shape[:2], height, width)
    clip[:, :, top : top + height, left : left + width] = noise(shape, seed, clip.device).to(clip.dtype)


def noise(shape: tuple[int, ...], seed: int, device: torch.device) -> torch.Tensor:
    """Return nearly normal noise, the same on every device: sums of 8 bytes of hashed counters, scaled.

    Its greatest distance from 0 is 4.9.
    """
    bits = torch.arange(1, math.prod(shape) + 1, dtype=torch.int64, device=device) * _GOLDEN + seed
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        bits = (bits ^ _shifted(bits, shift)) * factor
    bits = bits ^ _shifted(bits, 31)
    total = torch.zeros_like(bits)
    for byte in range(8):
        total += (bits >> (8 * byte)) & 255
    return ((total - _MEAN) / _STD).float().view(shape)


def _shifted(bits: torch.Tensor, by: int) -> torch.Tensor:
    """Shift right and fill with zeros, which torch does with the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
