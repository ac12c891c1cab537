"""Device-side transforms: colours, cropping, resizing, mirroring, normalising."""

import numpy as np
import pytest
import torch

from vidprep.load.batch import Batch
from vidprep.load.transforms import IMAGENET_MEAN, IMAGENET_STD, to_network_input, to_rgb, yuv420_to_rgb


def planes(y, u, v, side=10):
    frame = np.empty((1, side * 3 // 2, side), np.uint8)
    frame[:, :side], frame[:, side:, : side // 2], frame[:, side:, side // 2 :] = y, u, v
    return torch.from_numpy(frame)


def batch(video, box, *, flip=False, pixels="rgb", crop_size=8):
    n = len(video)
    return Batch(
        video=video,
        label=torch.zeros(n, dtype=torch.int64),
        key=("k",) * n,
        frame_indices=torch.zeros(n, video.shape[1], dtype=torch.int32),
        box=torch.tensor([box] * n, dtype=torch.int32),
        flip=torch.tensor([flip] * n),
        pixels=pixels,
        crop_size=crop_size,
    )


@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((126, 128, 128), (128, 128, 128)),
        ((81, 90, 240), (254, 0, 0)),  # BT.601 colour bars
        ((145, 54, 34), (0, 255, 0)),
        ((41, 240, 110), (0, 0, 255)),
    ],
)
def test_colours(yuv, rgb):
    found = yuv420_to_rgb(planes(*yuv))[0, :, 3, 3]
    assert (found - torch.tensor(rgb)).abs().max() <= 2


def test_crop_begins_at_the_box_not_at_the_buffer():
    video = planes(torch.arange(10).repeat(10, 1) * 10 + 16, 128, 128)[None]
    for left, first in ((4, 0), (5, 1)):
        rgb = to_rgb(batch(video, (0, left, 8, 8), pixels="yuv420"))
        assert rgb.shape == (1, 1, 3, 8, 8)
        assert rgb[0, 0, 0, 0, 0] == int(first * 10 * 255 / 219)


def test_normalising_and_mirroring():
    video = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8, 1).expand(2, 3, 8, 8, 3).contiguous()
    plain = to_network_input(batch(video, (0, 0, 8, 8)))
    assert plain.shape == (2, 3, 3, 8, 8)
    assert plain.is_contiguous(memory_format=torch.channels_last_3d)
    expected = (video[0, 0, 2, 5].float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    assert torch.allclose(plain[1, :, 2, 2, 5], expected, atol=1e-6)
    mirrored = to_network_input(batch(video, (0, 0, 8, 8), flip=True))
    assert torch.equal(mirrored, plain.flip(-1))


def test_half_precision_is_rounded_once():
    video = torch.randint(0, 256, (1, 2, 8, 8, 3), dtype=torch.uint8)
    full = to_network_input(batch(video, (0, 0, 8, 8)))
    half = to_network_input(batch(video, (0, 0, 8, 8)), dtype=torch.bfloat16)
    assert torch.equal(full.bfloat16(), half)


def test_a_box_of_another_size_is_resized():
    ramp = torch.arange(12, dtype=torch.uint8).repeat(12, 1)[None, None, :, :, None] * 20
    video = ramp.expand(1, 1, 12, 12, 3).contiguous()
    rgb = to_rgb(batch(video, (0, 0, 4, 12), crop_size=6))[0, 0, 0].float()
    assert rgb.shape == (6, 6)
    assert torch.equal(rgb[0], rgb[5])  # rows are alike
    assert (rgb[0].diff() > 0).all()
    assert abs(float(rgb.mean() - video[0, 0, :4].float().mean())) < 1


def test_batch_says_what_it_is():
    b = batch(torch.zeros(2, 3, 8, 8, 3, dtype=torch.uint8), (0, 0, 8, 8))
    assert repr(b) == "Batch(2 clips, video=(2, 3, 8, 8, 3) rgb on cpu)"
    assert torch.equal(b.to("cpu").video, b.video)
    assert b.clone().video.data_ptr() != b.video.data_ptr()
