"""A small network of a user's own, for `[model] factory`, that computes in double precision.

In single precision, batch norms of clips of flat colours magnify rounding errors, which differ with the
number of ranks.
"""

from torch import Tensor, nn


class Doubled(nn.Module):
    """Another network's logits, computed in double precision."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, clips: Tensor) -> Tensor:
        return self.network(clips.double()).float()


def doubled(num_classes: int, width: int) -> nn.Module:
    layers = [
        *(nn.Conv3d(3, width, 3, (1, 2, 2), bias=False), nn.BatchNorm3d(width), nn.ReLU()),
        *(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(width, num_classes)),
    ]
    return Doubled(nn.Sequential(*layers))
