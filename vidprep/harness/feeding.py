"""How many GPUs a loader keeps busy, for several networks: arithmetic, with its assumptions written out.

A training step takes 6 FLOP for each multiply-accumulate of the forward pass (2 forward, twice that backward;
Kaplan et al. 2020, section 2.1). A GPU reaches a share of its peak, which depends on network, batch and
software: 0.3 is assumed, and `benchmarks/gpu.py` measures it.
"""

from dataclasses import dataclass

import torch

from vidprep.model.resnet import i3d_resnet
from vidprep.model.summary import summarise

H100_TFLOPS = 989.4  # bfloat16 without sparsity, SXM; NVIDIA H100 Tensor Core GPU Architecture, table 2
ASSUMED_SHARE = 0.3
FLOP_PER_MAC = 6

_NUM_CLASSES = 400
# Depth, width of the first stage, and what they are called.
_NETWORKS = (
    (50, 64, "I3D-ResNet-50"),
    (18, 64, "I3D-ResNet-18"),
    (18, 16, "I3D-ResNet-18, a quarter as wide"),
)


@dataclass(frozen=True)
class Demand:
    """What training one network takes.

    Attributes:
        network: Name of the network.
        gflop_per_clip: GFLOP of one clip, forward and backward.
        clips_per_second: Clips a second that one GPU trains on.
        num_gpus: GPUs that the loader's clips keep busy.
    """

    network: str
    gflop_per_clip: float
    clips_per_second: float
    num_gpus: float


def demands(
    clips_per_second: float, *, clip_len: int, crop_size: int, share: float = ASSUMED_SHARE
) -> list[Demand]:
    """Return how many H100s a loader keeps busy, for I3D and for lighter networks.

    Args:
        clips_per_second: Clips a second that the loader gives.
        clip_len: Frames of a clip.
        crop_size: Height and width of a clip, in pixels.
        share: Share of the GPU's peak speed that a training reaches.

    Raises:
        ValueError: If the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}.")
    found = []
    for depth, width, name in _NETWORKS:
        with torch.device("meta"):  # shapes are enough
            network = i3d_resnet(depth, _NUM_CLASSES, width=width)
        macs = sum(stage.num_macs for stage in summarise(network, num_frames=clip_len, size=crop_size).stages)
        per_clip = FLOP_PER_MAC * macs
        one = share * H100_TFLOPS * 1e12 / per_clip
        found.append(Demand(name, per_clip / 1e9, one, clips_per_second / one))
    return found


def describe_demands(found: list[Demand], *, share: float) -> list[str]:
    """Return the demands as lines for a terminal, the assumptions first."""
    assumed = (
        f"H100s that this feeds, if a training reaches {share:.0%} of {H100_TFLOPS:.0f} TFLOPS (bfloat16, no "
        f"sparsity) and takes {FLOP_PER_MAC} FLOP for each multiply-accumulate:"
    )
    rows = [
        f"  {one.num_gpus:6.2f} of {one.network}: {one.gflop_per_clip:,.0f} GFLOP a clip, "
        f"{one.clips_per_second:,.0f} clips/s a GPU"
        for one in found
    ]
    return [assumed, *rows]
