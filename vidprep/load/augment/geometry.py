"""Operations that move pixels: rotate, shear, translate; what comes from outside is grey.

A clip is (T, 3, H, W) float32 of whole levels, and so is what each function returns. The arithmetic is that
of Pillow's affine transformation with bilinear interpolation, but for its last step: Pillow cuts levels off,
here they are rounded.
"""

import math

import torch
from torch.nn.functional import grid_sample

_GREY = 128.0

# (a, b, c, d, e, f): the pixel at (x, y) comes from (a x + b y + c, d x + e y + f), from centre to centre.
Affine = tuple[float, float, float, float, float, float]


def rotate(clip: torch.Tensor, degrees: float) -> torch.Tensor:
    """Turn counter-clockwise around the middle."""
    height, width = clip.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = width / 2, height / 2
    return _move(clip, (cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y))


def shear_x(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Move each row by `factor` times its distance from the top, to the left."""
    return _move(clip, (1, factor, 0, 0, 1, 0))


def shear_y(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Move each column by `factor` times its distance from the left, upwards."""
    return _move(clip, (1, 0, 0, factor, 1, 0))


def translate_x(clip: torch.Tensor, share: float) -> torch.Tensor:
    """Move by a share of the width, to the left."""
    return _move(clip, (1, 0, share * clip.shape[-1], 0, 1, 0))


def translate_y(clip: torch.Tensor, share: float) -> torch.Tensor:
    """Move by a share of the height, upwards."""
    return _move(clip, (1, 0, 0, 0, 1, share * clip.shape[-2]))


def _move(clip: torch.Tensor, affine: Affine) -> torch.Tensor:
    a, b, c, d, e, f = affine
    height, width = clip.shape[-2:]
    options = {"device": clip.device, "dtype": torch.float64}
    x = (torch.arange(width, **options) + 0.5)[None, :]  # type: ignore[call-overload]
    y = (torch.arange(height, **options) + 0.5)[:, None]  # type: ignore[call-overload]
    from_x, from_y = a * x + b * y + c, d * x + e * y + f
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    grid = torch.stack([2 * from_x / width - 1, 2 * from_y / height - 1], -1).to(clip.dtype)
    moved = grid_sample(
        clip.flatten(0, 1)[None], grid[None], mode="bilinear", padding_mode="border", align_corners=False
    ).view(clip.shape)
    return torch.where(inside, moved.round(), torch.full_like(moved, _GREY))
