"""Each operation against Pillow's, frame by frame."""

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from vidprep.load.augment import colours, geometry

GREY = (128, 128, 128)


def affine(*numbers):
    return lambda image, width, height: image.transform(
        image.size,
        Image.AFFINE,
        [n(width, height) if callable(n) else n for n in numbers],
        resample=Image.BILINEAR,
        fillcolor=GREY,
    )


def enhance(kind):
    return lambda factor: lambda image, width, height: kind(image).enhance(factor)


COLOURS = [
    (colours.brightness, enhance(ImageEnhance.Brightness), (0, 0.63, 1.9)),
    (colours.contrast, enhance(ImageEnhance.Contrast), (0, 0.63, 1.9)),
    (colours.saturation, enhance(ImageEnhance.Color), (0, 0.63, 1.9)),
    (colours.sharpness, enhance(ImageEnhance.Sharpness), (0, 0.63, 1.9)),
    (lambda clip, _: colours.invert(clip), lambda _: lambda image, *size: ImageOps.invert(image), (0,)),
    (lambda clip, _: colours.auto_contrast(clip), lambda _: lambda i, *s: ImageOps.autocontrast(i), (0,)),
    (lambda clip, _: colours.equalize(clip), lambda _: lambda i, *s: ImageOps.equalize(i), (0,)),
    (colours.posterize, lambda bits: lambda image, *size: ImageOps.posterize(image, bits), (1, 2, 3, 4)),
    (colours.solarize, lambda limit: lambda image, *size: ImageOps.solarize(image, limit), (0, 100, 256)),
    (
        colours.solarize_add,
        lambda add: (
            lambda image, *size: image.point([min(255, i + add) if i < 128 else i for i in range(256)] * 3)
        ),
        (0, 77, 110),
    ),
]
PLACES = [
    (
        geometry.rotate,
        lambda degrees: lambda image, *size: image.rotate(degrees, resample=Image.BILINEAR, fillcolor=GREY),
        (-30, 7.3, 29),
    ),
    (geometry.shear_x, lambda factor: affine(1, factor, 0, 0, 1, 0), (-0.3, 0.17)),
    (geometry.shear_y, lambda factor: affine(1, 0, 0, factor, 1, 0), (-0.3, 0.17)),
    (geometry.translate_x, lambda share: affine(1, 0, lambda w, h: share * w, 0, 1, 0), (-0.45, 0.1)),
    (geometry.translate_y, lambda share: affine(1, 0, 0, 0, 1, lambda w, h: share * h), (-0.45, 0.1)),
]


@pytest.fixture(scope="module")
def frames():
    """Four of them: steps of all colours, the same in the dark, one level, noise of few levels."""
    y, x = np.mgrid[:40, :52]
    steps = np.stack([x * 5 % 256, y * 6 % 256, (x * y) % 256], -1).astype(np.uint8)
    noise = np.random.default_rng(3).integers(90, 99, (40, 52, 3)).astype(np.uint8)
    return [steps, (steps * 0.3 + 40).astype(np.uint8), np.full_like(steps, 77), noise]


def by_pillow(operation, frames):
    made = [operation(Image.fromarray(frame), frame.shape[1], frame.shape[0]) for frame in frames]
    return torch.from_numpy(np.stack([np.asarray(image) for image in made])).permute(0, 3, 1, 2).float()


def as_clip(frames):
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize(("ours", "theirs", "arguments"), COLOURS)
def test_colours_are_those_of_pillow(ours, theirs, arguments, frames):
    for argument in arguments:
        expected = by_pillow(theirs(argument), frames)
        assert torch.equal(ours(as_clip(frames), argument), expected), argument


@pytest.mark.parametrize(("ours", "theirs", "arguments"), PLACES)
def test_places_are_those_of_pillow(ours, theirs, arguments, frames):
    """Within a level: Pillow cuts off what is rounded here."""
    for argument in arguments:
        found = ours(as_clip(frames), argument) - by_pillow(theirs(argument), frames)
        assert found.min() >= 0 and found.max() <= 1, argument


def test_no_bit_is_black():
    assert colours.posterize(torch.tensor([0.0, 255.0]), 0).tolist() == [0, 0]


@pytest.mark.parametrize("share", [-0.5, -0.2, 0.0, 0.1, 0.37])
def test_hue_is_that_of_colorsys(share, frames):
    found = colours.turn_hue(as_clip(frames[:1]), share)[0].permute(1, 2, 0)
    for y, x in ((0, 0), (3, 17), (20, 31), (39, 51), (12, 44)):
        h, s, v = colorsys.rgb_to_hsv(*(frames[0][y, x] / 255))
        expected = np.array(colorsys.hsv_to_rgb((h + share) % 1, s, v)) * 255
        np.testing.assert_allclose(found[y, x], expected, atol=0.51)


def test_tiny_frames_are_not_sharpened():
    clip = torch.full((1, 3, 2, 8), 9.0)
    assert torch.equal(colours.sharpness(clip, 1.9), clip)
