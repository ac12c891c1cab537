"""Crops in a batch hold the bytes of the decoded frame, and zero where it ends, whatever was cut before."""

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from hypothesis import given, settings
from hypothesis import strategies as st

from vidprep.load.decoding.pixels import buffer_side, frame_shape, writer_for
from vidprep.load.sampling.views import Box

CROP = 40
BOXES = st.builds(Box, st.integers(0, 50), st.integers(0, 70), st.just(CROP), st.just(CROP))
SIZES = st.sampled_from([(96, 64), (64, 48), (66, 50), (40, 40)])


def noise(size, seed):
    """Y, U and V of a frame of noise."""
    width, height = size
    draws = np.random.default_rng(seed)
    return [draws.integers(16, 236, (height >> s, width >> s), dtype=np.uint8) for s in (0, 1, 1)]


def frame_of(planes):
    height, width = planes[0].shape
    stacked = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    return VideoFrame.from_ndarray(stacked, "yuv420p")


def cut(planes, box, side):
    """The crop of each plane, pixel by pixel after the definition: from the even pixel on, then zeros."""
    crops = []
    for shift, plane in zip((0, 1, 1), planes, strict=True):
        crop = np.zeros((side >> shift, side >> shift), np.uint8)
        part = plane[(box.top - box.top % 2) >> shift :, (box.left - box.left % 2) >> shift :]
        part = part[: len(crop), : len(crop)]
        crop[: part.shape[0], : part.shape[1]] = part
        crops.append(crop)
    return crops


def expected(pixels, planes, box):
    if pixels == "yuv420":
        y, u, v = cut(planes, box, buffer_side("yuv420", CROP))
        return np.concatenate([y, np.concatenate([u, v], axis=1)])
    rgb = frame_of(cut(planes, box, buffer_side("yuv420", CROP))).reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    top, left = box.top % 2, box.left % 2
    return rgb.to_ndarray()[top : top + CROP, left : left + CROP]


@pytest.mark.parametrize("pixels", ["yuv420", "rgb"])
@settings(max_examples=60)
@given(videos=st.lists(st.tuples(SIZES, st.lists(BOXES, min_size=1, max_size=4)), min_size=1, max_size=4))
def test_crops_hold_the_bytes_of_the_frame(pixels, videos):
    """Videos one after another, of different sizes, each of three frames, and several boxes of each."""
    side = buffer_side(pixels, CROP)
    writer = writer_for(pixels, side)
    for number, (size, boxes) in enumerate(videos):
        writer.start()
        for at in range(3):
            planes = noise(size, 10 * number + at)
            outs = np.full((len(boxes), *frame_shape(pixels, side)), 7, np.uint8)
            writer.write(frame_of(planes), list(zip(boxes, outs, strict=True)))
            for box, out in zip(boxes, outs, strict=True):
                assert np.array_equal(out, expected(pixels, planes, box))


@pytest.mark.parametrize("pixels", ["yuv420", "rgb"])
def test_a_size_that_changes_within_a_video(pixels):
    box, side = Box(21, 33, CROP, CROP), buffer_side(pixels, CROP)
    writer = writer_for(pixels, side)
    writer.start()
    for seed, size in enumerate([(96, 64), (64, 48), (96, 64)]):
        planes = noise(size, seed)
        out = np.full((1, *frame_shape(pixels, side)), 7, np.uint8)
        writer.write(frame_of(planes), [(box, out[0])])
        assert np.array_equal(out[0], expected(pixels, planes, box))
