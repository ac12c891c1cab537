"""I3D-ResNet: a 2D ResNet whose 7x7 and 3x3 convolutions span three frames.

Source: Kobayashi & Ye, WACV 2024, supplement, and IBM's action-recognition-pytorch (Chen et al., CVPR 2021),
whose published weights load by name. Tensors are (B, C, T, H, W); sizes are (T, H, W).
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn

from vidprep.model.blocks import BasicBlock, Bottleneck, Size
from vidprep.recipes.recipe import ModelStage

Head = Literal["per_frame", "pool_first"]

# Blocks of layer1..4.
BLOCKS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}
FC_STD = 0.001


class I3DResNet(nn.Module):
    """The network; `i3d_resnet` checks the arguments and builds it."""

    def __init__(
        self,
        depth: int,
        num_classes: int,
        width: int,
        temporal_taps: int,
        temporal_stride: bool,
        head: Head,
        dropout: float,
    ) -> None:
        super().__init__()
        block, counts = BLOCKS[depth]
        self.depth, self.width, self.head = depth, width, head
        self.temporal_stride = temporal_stride
        padding = (temporal_taps // 2, 3, 3)
        self.conv1 = nn.Conv3d(3, width, (temporal_taps, 7, 7), stride=(1, 2, 2), padding=padding, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        down: Size = (2 if temporal_stride else 1, 2, 2)
        self.layer1 = _layer(block, width, width, counts[0], (1, 1, 1), temporal_taps)
        self.layer2 = _layer(block, width * block.expansion, 2 * width, counts[1], down, temporal_taps)
        self.layer3 = _layer(block, 2 * width * block.expansion, 4 * width, counts[2], down, temporal_taps)
        self.layer4 = _layer(block, 4 * width * block.expansion, 8 * width, counts[3], down, temporal_taps)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width * block.expansion, num_classes)
        self._initialise()

    @property
    def num_classes(self) -> int:
        """Return the number of logits."""
        return self.fc.out_features

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Return the last feature map after its ReLU: (B, C, T, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(clips))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return x  # type: ignore[no-any-return]

    def logits(self, features: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, num_classes) of a feature map.

        `per_frame` classifies each frame's mean and averages the logits, with a dropout mask for each frame;
        `pool_first` averages all positions first. Without dropout both are the same function.

        Args:
            features: Last feature map, (B, C, T, H, W).
            kept: Which features dropout keeps, (B, *dropout_shape) bool; None: drawn here, when in training.
        """
        # The classifier computes in float32 whatever the convolutions do, so that scores are not rounded.
        with _no_autocast(features.device):
            if features.dtype is torch.bfloat16:
                features = features.float()
            if self.head == "pool_first":
                return self.fc(self._drop(features.mean((2, 3, 4)), kept))  # type: ignore[no-any-return]
            frames = features.mean((3, 4)).transpose(1, 2)
            return self.fc(self._drop(frames, kept)).mean(1)  # type: ignore[no-any-return]

    def forward(self, clips: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, num_classes) of normalised clips (B, 3, T, H, W); `kept` as in `logits`."""
        return self.logits(self.features(clips), kept)

    def dropout_shape(self, num_frames: int) -> tuple[int, ...]:
        """Return the shape of the features of one clip that dropout acts on: (T', C); "pool_first": (C,)."""
        if self.head == "pool_first":
            return (self.fc.in_features,)
        halvings = 3 if self.temporal_stride else 0
        return (math.ceil(num_frames / 2**halvings), self.fc.in_features)

    def _drop(self, features: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        if kept is None:
            return self.dropout(features)  # type: ignore[no-any-return]
        return features * kept / (1 - self.dropout.p)

    def reset_fc(self) -> None:
        """Draw the classifier anew: weights ~ N(0, 0.001), biases 0."""
        nn.init.normal_(self.fc.weight, std=FC_STD)
        nn.init.zeros_(self.fc.bias)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.reset_fc()


def i3d_resnet(
    depth: int = 50,
    num_classes: int = 400,
    *,
    width: int = 64,
    temporal_taps: int = 3,
    temporal_stride: bool = False,
    head: Head = "per_frame",
    dropout: float = 0.5,
) -> I3DResNet:
    """Build an I3D-ResNet with freshly drawn weights (torch's global generator).

    Args:
        depth: 18, 34, 50 or 101.
        num_classes: Number of logits.
        width: Channels of conv1; layer1..4 have 1, 2, 4, 8 times as many, a bottleneck's output 4 times that.
        temporal_taps: Temporal size of the kernels: 3; or 1 for a network blind to motion, to compare with.
        temporal_stride: Halve the number of frames in each of layer2..4; off in the paper.
        head: "per_frame" or "pool_first", see `I3DResNet.logits`.
        dropout: Probability that a feature in front of the classifier is dropped.

    Raises:
        ValueError: If an argument is out of range.
    """
    if depth not in BLOCKS:
        raise ValueError(f"depth must be one of {', '.join(map(str, BLOCKS))}, got {depth}.")
    if num_classes < 1 or width < 1:
        raise ValueError(f"num_classes and width must be at least 1, got {num_classes} and {width}.")
    if head not in ("per_frame", "pool_first"):
        raise ValueError(f"head must be 'per_frame' or 'pool_first', got {head!r}.")
    if temporal_taps not in (1, 3):
        raise ValueError(f"temporal_taps must be 3 or 1, got {temporal_taps}.")
    return I3DResNet(depth, num_classes, width, temporal_taps, temporal_stride, head, dropout)


def build_model(stage: ModelStage, num_classes: int) -> I3DResNet:
    """Build the network that a recipe's `[model]` describes."""
    return i3d_resnet(
        stage.depth,
        num_classes,
        width=stage.width,
        temporal_taps=stage.temporal_taps,
        temporal_stride=stage.temporal_stride,
        head=stage.head,
        dropout=stage.dropout,
    )


def _layer(
    block: type[BasicBlock] | type[Bottleneck],
    in_channels: int,
    channels: int,
    num_blocks: int,
    stride: Size,
    taps: int,
) -> nn.Sequential:
    out_channels = channels * block.expansion
    rest = [block(out_channels, channels, taps=taps) for _ in range(num_blocks - 1)]
    return nn.Sequential(block(in_channels, channels, stride, taps), *rest)


def _no_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Switch autocast off; do nothing on the meta device, which has no autocast."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
