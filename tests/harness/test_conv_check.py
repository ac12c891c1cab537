"""The look at bfloat16 convolutions before a training on a GPU."""

import math

import pytest
import torch

from vidprep.harness.conv_check import ConvCheck, check_conv3d


def test_this_cpu_computes_them_right():
    found = check_conv3d(torch.device("cpu"), channels=16, frames=(4,), size=8)
    assert 0 < found.error < 0.03 and found.slowdown > 0


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (ConvCheck(error=0.004, frames=16, slowdown=0.5), None),
        (
            ConvCheck(error=0.4, frames=16, slowdown=0.5),
            "wrong for clips of 16 frames, by 40% of the largest value",
        ),
        (
            ConvCheck(error=math.inf, frames=2, slowdown=0.5),
            "for clips of 2 frames, by many times the largest value",
        ),
        (ConvCheck(error=0.004, frames=16, slowdown=4.2), "4.2 times slower than in float32"),
    ],
)
def test_what_is_said(check, said):
    warning = check.warning()
    if said is None:
        assert warning is None
    else:
        assert said in warning and "--precision fp32" in warning


def test_a_wrong_kernel_is_found(monkeypatch):
    """As if a build of cuDNN dropped the last frame in bfloat16."""
    right = torch.nn.functional.conv3d

    def wrong(clips, kernel, padding):
        out = right(clips, kernel, padding=padding)
        return out * (out.dtype == torch.float32 or torch.arange(out.shape[2]).view(1, 1, -1, 1, 1) < 3)

    monkeypatch.setattr("vidprep.harness.conv_check.conv3d", wrong)
    assert check_conv3d(torch.device("cpu"), channels=8, frames=(4,), size=6).error > 0.3


def test_values_that_are_no_numbers_are_found(monkeypatch):
    """As PyTorch 2.13's CPU build gives them now and then, where clips are shorter than a kernel."""
    right = torch.nn.functional.conv3d

    def wrong(clips, kernel, padding):
        out = right(clips, kernel, padding=padding)
        return out if out.dtype == torch.float32 or out.shape[2] > 2 else out * math.nan

    monkeypatch.setattr("vidprep.harness.conv_check.conv3d", wrong)
    found = check_conv3d(torch.device("cpu"), channels=8, frames=(4, 2), size=6)
    assert (found.error, found.frames) == (math.inf, 2)
    assert "many times the largest value" in found.warning()
