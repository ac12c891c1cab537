"""Mixup and CutMix of neighbouring videos of a batch.

Videos 0 and 1 of a pass are mixed with each other, 2 and 3, and so on; a last one without a neighbour is left
alone. Neighbours of a pass with an even number of videos are neighbours of the whole batch, too, so that it
does not matter how many ranks and passes it is spread over. How two videos are mixed is a function of (seed,
epoch, both keys).

Sources: Zhang et al. 2018 (arXiv 1710.09412), Yun et al. 2019 (arXiv 1905.04899).
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from vidprep.load.augment.distributions import draw_beta
from vidprep.load.sampling.draws import Draws
from vidprep.recipes.augmentation import Augmentation


class Cut(NamedTuple):
    """A rectangle of the frame, in pixels; rows `top` to `bottom - 1`."""

    top: int
    bottom: int
    left: int
    right: int


class Mix(NamedTuple):
    """Two clips of a batch that are mixed.

    Attributes:
        first: Row of one clip.
        second: Row of the other.
        share: The part of each clip that is kept, from 0 to 1; the rest comes from the other.
        cut: The rectangle that is exchanged (CutMix), or None where the clips are blended (mixup).
    """

    first: int
    second: int
    share: float
    cut: Cut | None


def clip_numbers(keys: Sequence[str]) -> list[int]:
    """Return the number of each row among the clips of its video, from 0; rows of a video are adjacent."""
    return [number for _, rows in itertools.groupby(keys) for number, _ in enumerate(rows)]


def neighbours(keys: Sequence[str]) -> list[tuple[int, int]]:
    """Return the rows of clips that are mixed: first with first, second with second, of videos 0 and 1, ...

    keys a a b b c c -> (0, 2), (1, 3)
    """
    videos: list[list[int]] = []
    for row, number in enumerate(clip_numbers(keys)):
        if number == 0:
            videos.append([])
        videos[-1].append(row)
    pairs = zip(videos[::2], videos[1::2], strict=False)
    return [pair for first, second in pairs for pair in zip(first, second, strict=False)]


def draw_mixes(
    augmentation: Augmentation, keys: Sequence[str], *, seed: int, epoch: int, height: int, width: int
) -> list[Mix]:
    """Return how the clips of a batch are mixed."""
    numbers = clip_numbers(keys)
    drawn = []
    for first, second in neighbours(keys):
        number = [numbers[first]] if numbers[first] else []
        draws = Draws("mix", seed, epoch, keys[first], keys[second], *number)
        if draws.uniform() >= augmentation.mix_probability:
            continue
        share, cut = _draw_mix(augmentation, draws, height, width)
        drawn.append(Mix(first, second, share, cut))
    return drawn


def _draw_mix(augmentation: Augmentation, draws: Draws, height: int, width: int) -> tuple[float, Cut | None]:
    both = augmentation.mixup_alpha > 0 and augmentation.cutmix_alpha > 0
    cuts = draws.uniform() < augmentation.cutmix_probability if both else augmentation.cutmix_alpha > 0
    if not cuts:
        return draw_beta(draws, augmentation.mixup_alpha), None
    side = math.sqrt(1 - draw_beta(draws, augmentation.cutmix_alpha))
    rows, columns = int(height * side), int(width * side)
    y, x = draws.below(height), draws.below(width)  # the middle; what lies outside the frame is cut off
    cut = Cut(
        max(0, y - rows // 2),
        min(height, y + rows // 2),
        max(0, x - columns // 2),
        min(width, x + columns // 2),
    )
    return 1 - (cut.bottom - cut.top) * (cut.right - cut.left) / (height * width), cut


def mix_clips(clips: torch.Tensor, mixes: Sequence[Mix]) -> None:
    """Mix normalised clips (N, 3, T, H, W), in place; in float32 whatever their type."""
    for first, second, share, cut in mixes:
        if cut is None:
            one, other = (clips[row].to(torch.float32, copy=True) for row in (first, second))
            clips[first] = share * one + (1 - share) * other
            clips[second] = share * other + (1 - share) * one
        else:
            rows, columns = slice(cut.top, cut.bottom), slice(cut.left, cut.right)
            kept = clips[first, ..., rows, columns].clone()
            clips[first, ..., rows, columns] = clips[second, ..., rows, columns]
            clips[second, ..., rows, columns] = kept


def label_shares(labels: torch.Tensor, num_classes: int, mixes: Sequence[Mix]) -> torch.Tensor:
    """Return how much of each clip shows each class: (N, num_classes) float32, rows with a sum of 1."""
    whole = torch.zeros(len(labels), num_classes, device=labels.device)
    whole.scatter_(1, labels[:, None], 1.0)
    shares = whole.clone()
    for first, second, share, _ in mixes:
        shares[first] = share * whole[first] + (1 - share) * whole[second]
        shares[second] = share * whole[second] + (1 - share) * whole[first]
    return shares


def smoothed(shares: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Return label-smoothed shares: (1 - smoothing) * shares + smoothing / num_classes."""
    return shares * (1 - smoothing) + smoothing / shares.shape[1]
