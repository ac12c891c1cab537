"""Effective receptive field: how strongly each input position influences one neuron of the last feature map.

Source: Kobayashi & Ye, WACV 2024, supplement, section C, after Luo et al., NIPS 2016. Inputs are noise
x ~ N(0, 1); with G the gradient of the sum over a neuron's channels, ERF = sqrt(mean of G^2 over the draws),
element by element.
Tensors are (B, C, T, H, W); a neuron is (t, h, w), counted from 0.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from vidprep.analysis.erf.files import Kept
from vidprep.harness.device import computing_in

Neuron = tuple[int, int, int]
Progress = Callable[[int, int], None]


def middle_neuron(shape: Neuron) -> Neuron:
    """Return the neuron that the paper looks at: [16, 3, 3] of 32x7x7, its (17, 4, 4) counting from 1."""
    t, h, w = (size // 2 for size in shape)
    return t, h, w


def check_neuron(neuron: Neuron, shape: Sequence[int]) -> None:
    """Make sure that a neuron lies in the map.

    Raises:
        ValueError: If it does not.
    """
    if not all(0 <= index < size for index, size in zip(neuron, shape, strict=True)):
        ends = ",".join(str(size - 1) for size in shape)
        raise ValueError(
            f"neuron {','.join(map(str, neuron))} is outside the last map; it goes from 0,0,0 to {ends}."
        )


def draw_noise(clip_shape: tuple[int, int, int], *, seed: int, draw: int, dtype: torch.dtype) -> torch.Tensor:
    """Return the input of a draw, (1, 3, T, H, W): a function of seed and draw alone."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + draw)
    return torch.randn(1, 3, *clip_shape, generator=generator, dtype=dtype)


def gradient(model: nn.Module, x: torch.Tensor, neuron: Neuron) -> torch.Tensor:
    """Return d (sum of the neuron's channels) / d x, of x's shape.

    Raises:
        ValueError: If the neuron is outside the map.
    """
    t, h, w = neuron
    x = x.detach().requires_grad_()
    with torch.enable_grad(), computing_in("fp32"):
        feature_map = model(x)
        check_neuron(neuron, feature_map.shape[2:])
        (grad,) = torch.autograd.grad(feature_map[0, :, t, h, w].sum(), x)
    return grad


def measure_erf(
    model: nn.Module,
    clip_shape: tuple[int, int, int],
    neuron: Neuron,
    *,
    num_draws: int = 10,
    seed: int = 0,
    kept: Kept | None = None,
    on_draw: Progress | None = None,
) -> np.ndarray:
    """Return the effective receptive field (3, T, H, W), float32.

    Args:
        model: Maps a clip to its last feature map, e.g. `FeatureMap(i3d_resnet(...))`. Put into eval mode and
            frozen here.
        clip_shape: (T, H, W) of the input.
        neuron: (t, h, w) of a neuron in that map.
        num_draws: Number of noise clips; more make a smoother field.
        seed: Seed of the noise.
        kept: File of the finished draws, so that an interrupted measurement goes on; None: no file.
        on_draw: Called with the number of finished draws and of all draws.

    Raises:
        ValueError: If the neuron is outside the map, or there are no draws.
    """
    if num_draws < 1:
        raise ValueError(f"num_draws must be at least 1, got {num_draws}.")
    model.eval().requires_grad_(False)
    dtype = next(model.parameters()).dtype
    squares, done = kept.read(num_draws) if kept else (np.zeros(()), 0)
    for draw in range(done, num_draws):
        x = draw_noise(clip_shape, seed=seed, draw=draw, dtype=dtype)
        squares = squares + gradient(model, x, neuron)[0].double().square().numpy()
        if kept:
            kept.write(squares, draw + 1)
        if on_draw:
            on_draw(draw + 1, num_draws)
    return np.sqrt(squares / num_draws).astype(np.float32)


class FeatureMap(nn.Module):
    """A network up to its last feature map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Return the map, (B, C, T, H, W)."""
        return self.network.features(clips)  # type: ignore[no-any-return, operator]
