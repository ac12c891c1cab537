"""Does this device compute 3D convolutions in bfloat16 correctly, and faster than in float32?

Some builds of cuDNN did not: wrong results, or a kernel several times slower than float32's. PyTorch 2.13
on a CPU without bfloat16 instructions computes weight gradients from uninitialised memory where a clip has
two frames. A few seconds at the start are cheap beside a week of training.
"""

import math
import time
from dataclasses import dataclass

import torch
from torch.nn.functional import conv3d

# bfloat16 has 8 bits; sums of 1,728 products, accumulated in float32, come out within a few of its steps.
_LARGEST_ERROR = 0.03
_ROUNDS = 5


@dataclass(frozen=True)
class ConvCheck:
    """How bfloat16 compares with float32.

    Attributes:
        error: Largest difference from float32 of output and weight gradient, relative to the largest value;
            infinity where a value is NaN.
        frames: Length of the clips with that error.
        slowdown: Time in bfloat16 divided by time in float32; below 1 is as it should be.
    """

    error: float
    frames: int
    slowdown: float

    def warning(self) -> str | None:
        """Return what is wrong and what to do, or None if nothing is."""
        if self.error > _LARGEST_ERROR:
            found = f"wrong for clips of {self.frames} frames, by {_times(self.error)} the largest value,"
        elif self.slowdown > 1:
            found = f"{self.slowdown:.1f} times slower than in float32"
        else:
            return None
        return (
            f"3D convolutions in bfloat16 are {found} on this device with PyTorch {torch.__version__}. "
            "Train with --precision fp32, or with another build of PyTorch and cuDNN."
        )


def check_conv3d(
    device: torch.device, *, channels: int = 64, frames: tuple[int, ...] = (16, 2), size: int = 56
) -> ConvCheck:
    """Compare a 3x3x3 convolution in bfloat16 with float32, results and time.

    Args:
        device: Where to compute.
        channels: Channels of input and output. The defaults are the shape of ResNet-50's `layer1`.
        frames: Lengths of clips; the first is timed. 2 is there because it is less than the kernel's 3.
        size: Height and width.
    """
    made = [_clips_and_kernel(device, channels, length, size) for length in frames]
    errors = {tensors[0].shape[2]: _error(*tensors) for tensors in made}
    worst = max(errors, key=errors.__getitem__)
    fast, slow = (_seconds(clips, kernel) for clips, kernel in (made[0], [t.float() for t in made[0]]))
    return ConvCheck(errors[worst], worst, fast / slow)


def _clips_and_kernel(
    device: torch.device, channels: int, frames: int, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw values that bfloat16 can hold, so that only the arithmetic differs."""
    rng = torch.Generator().manual_seed(0)
    clips = torch.randn(2, channels, frames, size, size, generator=rng)
    kernel = torch.randn(channels, channels, 3, 3, 3, generator=rng) / (27 * channels) ** 0.5
    layout = torch.channels_last_3d
    clips, kernel = (t.to(device, torch.bfloat16).contiguous(memory_format=layout) for t in (clips, kernel))
    return clips, kernel


def _forward_backward(clips: torch.Tensor, kernel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return output and weight gradient."""
    kernel = kernel.detach().requires_grad_()
    out = conv3d(clips, kernel, padding=1)
    (grad,) = torch.autograd.grad(out, kernel, out.detach())
    return out.detach(), grad


def _error(clips: torch.Tensor, kernel: torch.Tensor) -> float:
    found, exact = _forward_backward(clips, kernel), _forward_backward(clips.float(), kernel.float())
    return max(_relative_error(a, b) for a, b in zip(found, exact, strict=True))


def _relative_error(found: torch.Tensor, exact: torch.Tensor) -> float:
    error = float((found.float() - exact).abs().max() / exact.abs().max())
    return math.inf if math.isnan(error) else error


def _times(error: float) -> str:
    return f"{error:.0%} of" if error < 100 else "many times"


def _seconds(clips: torch.Tensor, kernel: torch.Tensor) -> float:
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        _forward_backward(clips, kernel)
        if clips.is_cuda:
            torch.cuda.synchronize(clips.device)
        times.append(time.perf_counter() - start)
    return min(times)
