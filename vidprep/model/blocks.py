"""Residual blocks of I3D-ResNet. Sizes are (T, H, W); names are those of torchvision's 2D ResNet.

Every 3x3 convolution of the 2D block becomes a 3x3x3 one, and the first of a block carries the stride, as in
IBM's action-recognition-pytorch: a bottleneck has one of them, a basic block (depth 18 and 34) has two. With
`taps` = 1 they are 1x3x3 and process every frame on its own.
"""

import torch
from torch import nn

Size = tuple[int, int, int]
UNIT: Size = (1, 1, 1)


class BasicBlock(nn.Module):
    """3x3x3 -> 3x3x3, and a shortcut around both."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: Size = UNIT, taps: int = 3) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, channels, stride, taps)
        self.bn1 = nn.BatchNorm3d(channels)
        self.conv2 = _conv3x3(channels, channels, UNIT, taps)
        self.bn2 = nn.BatchNorm3d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, channels * self.expansion, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T, H, W) to the block's channels and stride."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1x1 -> 3x3x3 -> 1x1x1, and a shortcut around the three; the stride is on the 3x3x3."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: Size = UNIT, taps: int = 3) -> None:
        super().__init__()
        self.conv1 = _conv1x1x1(in_channels, channels)
        self.bn1 = nn.BatchNorm3d(channels)
        self.conv2 = _conv3x3(channels, channels, stride, taps)
        self.bn2 = nn.BatchNorm3d(channels)
        self.conv3 = _conv1x1x1(channels, channels * self.expansion)
        self.bn3 = nn.BatchNorm3d(channels * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, channels * self.expansion, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T, H, W) to the block's channels and stride."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


def _conv3x3(in_channels: int, channels: int, stride: Size, taps: int) -> nn.Conv3d:
    size, padding = (taps, 3, 3), (taps // 2, 1, 1)
    return nn.Conv3d(in_channels, channels, size, stride=stride, padding=padding, bias=False)


def _conv1x1x1(in_channels: int, channels: int, stride: Size = UNIT) -> nn.Conv3d:
    return nn.Conv3d(in_channels, channels, kernel_size=1, stride=stride, bias=False)


def _shortcut(in_channels: int, channels: int, stride: Size) -> nn.Sequential | None:
    """Return what brings the block's input to its output's shape; None where it has that shape already."""
    if stride == UNIT and in_channels == channels:
        return None
    return nn.Sequential(_conv1x1x1(in_channels, channels, stride), nn.BatchNorm3d(channels))
