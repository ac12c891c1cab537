"""The theoretical receptive field of a network: which input positions an output position can see.

Each layer adds (kernel - 1) * jump to it and multiplies the jump by its stride. Axes are (T, H, W).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class AxisField:
    """The input positions that one position of a feature map sees, along one axis.

    Attributes:
        size: How many input positions it sees.
        jump: Input positions from one position of the map to the next.
        first: The first input position that map position 0 sees; negative where that is padding.
    """

    size: int = 1
    jump: int = 1
    first: int = 0

    def interval(self, position: int) -> tuple[int, int]:
        """Return the first and last input position seen, both included; they may lie outside the input."""
        start = self.first + position * self.jump
        return start, start + self.size - 1

    def centre(self, position: int) -> float:
        """Return the middle of what a map position sees, in input positions."""
        return sum(self.interval(position)) / 2

    def through(self, kernel: int, stride: int, padding: int) -> "AxisField":
        """Return the field after one more layer."""
        return AxisField(
            size=self.size + (kernel - 1) * self.jump,
            jump=self.jump * stride,
            first=self.first - padding * self.jump,
        )


Field = tuple[AxisField, AxisField, AxisField]


def receptive_fields(model: nn.Module) -> dict[str, Field]:
    """Return the field after each convolution and pooling layer, by module name, in the network's order.

    Shortcuts are passed over: what they see lies inside the field of the convolutions beside them.
    """
    field: Field = (AxisField(), AxisField(), AxisField())
    fields: dict[str, Field] = {}
    for name, layer in _layers(model):
        field = _through(field, layer)
        fields[name] = field
    return fields


def map_shape(model: nn.Module, clip_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return (T, H, W) of an I3D-ResNet's last feature map for clips of (T, H, W), without computing it.

    PyTorch's meta device could tell it for any network, but takes 4 seconds to load.
    """
    t, y, x = clip_shape
    for _, layer in _layers(model):
        kernel, stride, padding = _sizes(layer)
        t, y, x = (
            (size + 2 * padding[axis] - kernel[axis]) // stride[axis] + 1
            for axis, size in enumerate((t, y, x))
        )
    return t, y, x


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Conv3d | nn.MaxPool3d]]:
    """Yield convolutions and pooling in order, without the convolutions of shortcuts."""
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv3d | nn.MaxPool3d) and ".downsample." not in name:
            yield name, layer


def _through(field: Field, layer: nn.Conv3d | nn.MaxPool3d) -> Field:
    kernel, stride, padding = _sizes(layer)
    t, y, x = (field[axis].through(kernel[axis], stride[axis], padding[axis]) for axis in range(3))
    return t, y, x


def _sizes(layer: nn.Conv3d | nn.MaxPool3d) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return kernel, stride and padding along the three axes."""
    kernel, stride, padding = (_triple(value) for value in (layer.kernel_size, layer.stride, layer.padding))
    return kernel, stride, padding


def _triple(value: int | str | tuple[int, ...]) -> tuple[int, ...]:
    assert not isinstance(value, str), "padding is given in numbers"
    return (value,) * 3 if isinstance(value, int) else value
