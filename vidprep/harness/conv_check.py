"""Does this GPU compute 3D convolutions in bfloat16 correctly, and faster than in float32?

Some builds of cuDNN did not: wrong results, or a kernel several times slower than float32's. A minute at the
start is cheap beside a week of training.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import conv3d

# bfloat16 has 8 bits; sums of 1,728 products, accumulated in float32, come out within a few of its steps.
_LARGEST_ERROR = 0.03
_ROUNDS = 5


@dataclass(frozen=True)
class ConvCheck:
    """What was found.

    Attributes:
        error: Largest difference from float32, relative to the largest value; forward and weight gradient.
        slowdown: Time in bfloat16 over time in float32; below 1 is as it should be.
    """

    error: float
    slowdown: float

    def warning(self) -> str | None:
        """Return what to do about it, or None if all is well."""
        if self.error > _LARGEST_ERROR:
            found = f"wrong by {self.error:.0%} of the largest value"
        elif self.slowdown > 1:
            found = f"{self.slowdown:.1f} times slower than in float32"
        else:
            return None
        return (
            f"3D convolutions in bfloat16 are {found} on this device with PyTorch {torch.__version__}. "
            "Train with --precision fp32, or with another build of PyTorch and cuDNN."
        )


def check_conv3d(device: torch.device, *, channels: int = 64, frames: int = 16, size: int = 56) -> ConvCheck:
    """Compare a 3x3x3 convolution in bfloat16 with float32, results and time.

    Args:
        channels: In and out; with `frames` and `size` the shape of layer1 by default.
    """
    rng = torch.Generator().manual_seed(0)
    clips = torch.randn(2, channels, frames, size, size, generator=rng)
    kernel = torch.randn(channels, channels, 3, 3, 3, generator=rng) / (27 * channels) ** 0.5
    # Both start from the values that bfloat16 can hold, so that only the arithmetic differs.
    clips, kernel = (t.to(device, torch.bfloat16) for t in (clips, kernel))
    exact, slow = _forward_backward(clips.float(), kernel.float())
    rounded, fast = _forward_backward(clips, kernel)
    error = max(_relative_error(a, b) for a, b in zip(rounded, exact, strict=True))
    return ConvCheck(error, _seconds(fast, device) / _seconds(slow, device))


Tensors = tuple[torch.Tensor, torch.Tensor]


def _forward_backward(clips: torch.Tensor, kernel: torch.Tensor) -> tuple[Tensors, Callable[[], Tensors]]:
    """Return output and weight gradient, and a function that computes them again."""
    clips = clips.contiguous(memory_format=torch.channels_last_3d)
    kernel = kernel.contiguous(memory_format=torch.channels_last_3d).requires_grad_()

    def compute() -> Tensors:
        out = conv3d(clips, kernel, padding=1)
        (grad,) = torch.autograd.grad(out, kernel, out.detach())
        return out.detach(), grad

    return compute(), compute


def _relative_error(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found.float() - exact).abs().max() / exact.abs().max())


def _seconds(compute: Callable[[], Tensors], device: torch.device) -> float:
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        compute()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times)
