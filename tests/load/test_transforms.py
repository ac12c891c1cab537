"""Device-side transforms: colours, cropping, resizing, mirroring, normalising."""

import subprocess

import numpy as np
import pytest
import torch

from vidprep.errors import BatchExpired
from vidprep.ffmpeg import find_ffmpeg
from vidprep.load import batch as batch_module
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
        num_frames=torch.ones(n, dtype=torch.int32),
        fps=torch.full((n,), 25.0, dtype=torch.float64),
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
        assert rgb[0, 0, 0, 0, 0] == round(first * 10 * 255 / 219)


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
    for copy in (b.to("cpu"), b.clone()):
        assert torch.equal(copy.video, b.video)
        assert copy.video.data_ptr() != b.video.data_ptr()


def test_a_batch_that_was_given_back_is_refused():
    b = batch(torch.zeros(2, 3, 8, 8, 3, dtype=torch.uint8), (0, 0, 8, 8))
    kept, part = b.to("cpu"), b.rows(0, 1)
    b._lease.end()
    for use in (lambda: b.video, lambda: part.video, lambda: b.to("cpu"), lambda: to_network_input(b)):
        with pytest.raises(BatchExpired, match=r"call batch\.to\(device\) or batch\.clone\(\) before that"):
            use()
    assert kept.video.shape == (2, 3, 8, 8, 3)
    assert b.key == ("k", "k")
    assert "2 clips" in repr(b)


def test_copies_of_rows_are_waited_for(monkeypatch):
    """A double of a GPU: a copy is made when somebody waits for it, and shows what is in memory then."""

    def begin_copy(tensor, device):
        copy = torch.zeros_like(tensor)
        return copy, lambda: copy.copy_(tensor)

    monkeypatch.setattr(batch_module, "_begin_copy", begin_copy)
    b = batch(torch.full((2, 3, 8, 8, 3), 7, dtype=torch.uint8), (0, 0, 8, 8))
    memory, copies = b.video, [b.rows(0, 1).to("cpu"), b.rows(1, 2).rows(0, 1).to("cpu")]
    b._lease.end()
    memory.zero_()  # what a worker does at once
    assert all((copy.video == 7).all() for copy in copies)


SIDE = 64


def ffmpeg(*arguments, data=None):
    command = [find_ffmpeg(), "-v", "error", *arguments, "-f", "rawvideo", "-"]
    return np.frombuffer(
        subprocess.run(command, input=data, capture_output=True, check=True).stdout, np.uint8
    )


@pytest.fixture(scope="module")
def picture():
    """A picture of many colours: its planes as a batch has them, and as FFmpeg writes them."""
    source = f"mandelbrot=size={SIDE}x{SIDE}:rate=1"
    raw = ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "1", "-pix_fmt", "yuv420p")
    luma, u, v = np.split(raw, [SIDE**2, SIDE**2 * 5 // 4])
    half = (SIDE // 2, SIDE // 2)
    chroma = np.concatenate([u.reshape(half), v.reshape(half)], axis=1)
    return torch.from_numpy(np.concatenate([luma.reshape(SIDE, SIDE), chroma])[None]), raw.tobytes()


def rgb_of_ffmpeg(raw, flags):
    size = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{SIDE}x{SIDE}")
    convert = f"scale=in_color_matrix=bt601:in_range=tv:out_range=pc{flags},format=rgb24"
    rgb = ffmpeg(*size, "-i", "-", "-vf", convert, data=raw)
    return torch.from_numpy(rgb.reshape(1, SIDE, SIDE, 3).copy()).permute(0, 3, 1, 2).float()


ACCURATE = "+accurate_rnd+full_chroma_int"


@pytest.mark.parametrize(
    ("chroma", "flags", "mean", "largest"),
    [
        ("linear", f":flags=bilinear{ACCURATE}+full_chroma_inp", 0.02, 1),
        ("linear", f":flags=bicubic{ACCURATE}", 2.6, 40),
        ("nearest", f":flags=bicubic{ACCURATE}", 5.5, 80),
        ("nearest", "", 1.3, 3),
    ],
)
def test_colours_against_ffmpeg(picture, chroma, flags, mean, largest):
    """Interpolated chroma is what FFmpeg's accurate path gives, repeated chroma its fast path."""
    planes, raw = picture
    error = (yuv420_to_rgb(planes, chroma=chroma) - rgb_of_ffmpeg(raw, flags)).abs()
    assert error.mean() <= mean
    assert error.max() <= largest


def test_levels_are_rounded_without_a_bias(picture):
    planes, raw = picture
    error = yuv420_to_rgb(planes) - rgb_of_ffmpeg(raw, f":flags=bilinear{ACCURATE}+full_chroma_inp")
    assert abs(error.mean()) < 0.02


@pytest.mark.parametrize("chroma", ["linear", "nearest"])
@pytest.mark.parametrize("box", [(0, 0, 8, 8), (1, 1, 7, 7), (0, 1, 6, 7), (3, 2, 8, 8)])
def test_what_lies_beyond_a_box_does_not_colour_it(box, chroma):
    """A frame of one colour, and padding of zeros beyond the box, which are a strong green."""
    top, left, height, width = box
    frame = planes(81, 90, 240, side=12)
    rows, columns = top % 2 + height, left % 2 + width
    frame[:, rows:12], frame[:, :12, columns:] = 0, 0
    rows, columns = (rows + 1) // 2, (columns + 1) // 2
    frame[:, 12 + rows :], frame[:, 12:, columns:6], frame[:, 12:, 6 + columns :] = 0, 0, 0
    shown = to_rgb(batch(frame[None], box, pixels="yuv420"), chroma=chroma)
    assert len(shown.flatten(3).unique(dim=-1).flatten()) == 3
    assert len(shown[0, 0, 0].unique()) == 1
