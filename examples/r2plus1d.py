"""R(2+1)D-18 (Tran et al., CVPR 2018), for `[model] factory = "r2plus1d:r2plus1d_18"`.

    export PYTHONPATH=examples
    vidprep train --shards SHARDS --out runs/r2plus1d --set model.factory=r2plus1d:r2plus1d_18

Each 3D convolution is replaced by one in space and one in time, with a batch norm and a ReLU between them.
"""

import torch
from torch import nn


def factorised(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a 1x3x3 and a 3x1x1 convolution with as many weights as one of 3x3x3."""
    between = 27 * inputs * outputs // (9 * inputs + 3 * outputs)
    return nn.Sequential(
        nn.Conv3d(inputs, between, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
        nn.BatchNorm3d(between),
        nn.ReLU(inplace=True),
        nn.Conv3d(between, outputs, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
    )


class Block(nn.Module):
    """Two factorised convolutions, and a shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = factorised(inputs, outputs, stride), nn.BatchNorm3d(outputs)
        self.conv2, self.bn2 = factorised(outputs, outputs), nn.BatchNorm3d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of `outputs` channels, each axis divided by the stride."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def r2plus1d_18(num_classes: int, width: int = 64, dropout: float = 0.0) -> nn.Module:
    """Return the network: (B, 3, T, H, W) -> (B, num_classes)."""
    layers: list[nn.Module] = [
        nn.Conv3d(3, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
        *(nn.BatchNorm3d(45), nn.ReLU(inplace=True)),
        nn.Conv3d(45, width, (3, 1, 1), padding=(1, 0, 0), bias=False),
        *(nn.BatchNorm3d(width), nn.ReLU(inplace=True)),
    ]
    channels = width
    for number in range(4):
        outputs = width * 2**number
        layers += [Block(channels, outputs, 2 if number else 1), Block(outputs, outputs, 1)]
        channels = outputs
    head = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, num_classes))
    return nn.Sequential(*layers, *head)
