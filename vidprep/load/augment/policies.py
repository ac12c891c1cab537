"""What is done to the colours and places of a clip's pixels: drawn as plain numbers, then carried out.

RandAugment follows SlowFast's `slowfast/datasets/rand_augment.py` (VideoMAE and V-JEPA 2 have the same):
which operations there are, what a magnitude means to each, and that all frames of a clip get the same one.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from vidprep.load.augment import colours, geometry
from vidprep.load.augment.distributions import draw_normal
from vidprep.load.sampling.draws import Draws
from vidprep.recipes.augmentation import Augmentation, RandAugment


class Operation(NamedTuple):
    """One change of a clip: its name in the table below, and how far it goes."""

    name: str
    argument: float


_APPLY: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "auto_contrast": lambda clip, _: colours.auto_contrast(clip),
    "equalize": lambda clip, _: colours.equalize(clip),
    "invert": lambda clip, _: colours.invert(clip),
    "rotate": geometry.rotate,
    "posterize": lambda clip, bits: colours.posterize(clip, int(bits)),
    "solarize": colours.solarize,
    "solarize_add": colours.solarize_add,
    "saturation": colours.saturation,
    "contrast": colours.contrast,
    "brightness": colours.brightness,
    "sharpness": colours.sharpness,
    "shear_x": geometry.shear_x,
    "shear_y": geometry.shear_y,
    "translate_x": geometry.translate_x,
    "translate_y": geometry.translate_y,
    "hue": colours.turn_hue,
}

# From a share of the greatest magnitude, and a sign, to the argument.
_ARGUMENT: dict[str, Callable[[float, int], float]] = {
    "auto_contrast": lambda share, sign: 0,
    "equalize": lambda share, sign: 0,
    "invert": lambda share, sign: 0,
    "rotate": lambda share, sign: sign * 30 * share,
    "posterize": lambda share, sign: 4 - int(4 * share),
    "solarize": lambda share, sign: 256 - int(256 * share),
    "solarize_add": lambda share, sign: int(110 * share),
    "saturation": lambda share, sign: 1 + sign * 0.9 * share,
    "contrast": lambda share, sign: 1 + sign * 0.9 * share,
    "brightness": lambda share, sign: 1 + sign * 0.9 * share,
    "sharpness": lambda share, sign: 1 + sign * 0.9 * share,
    "shear_x": lambda share, sign: sign * 0.3 * share,
    "shear_y": lambda share, sign: sign * 0.3 * share,
    "translate_x": lambda share, sign: sign * 0.45 * share,
    "translate_y": lambda share, sign: sign * 0.45 * share,
}
_RAND_AUGMENT = tuple(_ARGUMENT)
_GREATEST_MAGNITUDE = 10.0
_JITTERS = ("brightness", "contrast", "saturation", "hue")


def draw_operations(augmentation: Augmentation, *words: str | int) -> list[Operation]:
    """Return what is done to a clip, in this order: a function of the settings and the words.

    Args:
        words: Seed, epoch, key, and the number of the clip where a video has several.
    """
    drawn = draw_jitter(augmentation, Draws("jitter", *words)) if augmentation.jitters else []
    if settings := augmentation.rand_augment_settings():
        drawn += draw_rand_augment(settings, Draws("rand_augment", *words))
    return drawn


def draw_jitter(augmentation: Augmentation, draws: Draws) -> list[Operation]:
    """Return brightness, contrast, saturation and hue in a random order, less those set to 0."""
    order = list(_JITTERS)
    for last in range(len(order) - 1, 0, -1):  # Fisher & Yates
        other = draws.below(last + 1)
        order[last], order[other] = order[other], order[last]
    drawn = []
    for name in order:
        most: float = getattr(augmentation, name)
        middle = 0.0 if name == "hue" else 1.0
        argument = draws.uniform(middle - most, middle + most)
        if most:
            drawn.append(Operation(name, argument))
    return drawn


def draw_rand_augment(settings: RandAugment, draws: Draws) -> list[Operation]:
    """Return one random operation for each layer, each left out with probability 1/2."""
    drawn = []
    for _ in range(settings.num_layers):
        name = _RAND_AUGMENT[draws.below(len(_RAND_AUGMENT))]
        is_done, sign = draws.below(2), (-1, 1)[draws.below(2)]
        magnitude = draw_normal(draws, settings.magnitude, settings.magnitude_std)
        share = min(_GREATEST_MAGNITUDE, max(0.0, magnitude)) / _GREATEST_MAGNITUDE
        if is_done:
            drawn.append(Operation(name, float(_ARGUMENT[name](share, sign))))
    return drawn


def apply_operations(clip: torch.Tensor, operations: list[Operation]) -> torch.Tensor:
    """Carry operations out, each on all frames.

    Args:
        clip: (T, 3, H, W) float32 of whole levels 0 to 255; not changed.
    """
    for name, argument in operations:
        clip = _APPLY[name](clip, argument)
    return clip
