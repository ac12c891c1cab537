"""From the views of a video to logits, a few views at a time."""

import math
from contextlib import nullcontext

import torch

from vidprep.errors import HarnessError
from vidprep.load.batch import Batch
from vidprep.load.transforms import to_network_input
from vidprep.model import I3DResNet
from vidprep.recipes.recipe import EvalViews

# A view of 32 x 256 x 256 takes about half a GB of ResNet-50's maps in float32, half of that in bfloat16.
_FULL_VIEWS = {"cpu": 2, "cuda": 8}


def default_micro_batch(device: torch.device, views: EvalViews) -> int:
    """Return how many views a device takes at a time: as many pixels as in so many full-sized views."""
    full = 32 * 256 * 256
    return max(1, _FULL_VIEWS[device.type] * full // (views.clip_len * views.crop_size**2))


def precision_of(device: torch.device) -> str:
    """Return the numbers that the convolutions work with: "bf16" on a GPU, "fp32" on a CPU."""
    return "bf16" if device.type == "cuda" else "fp32"


def view_logits(network: I3DResNet, batch: Batch, *, micro_batch: int) -> torch.Tensor:
    """Return the logits of every view, (V, C) float32 on the CPU.

    Convolutions run in bfloat16 on a GPU; the classifier, whose output is rounded no further, in float32.

    Args:
        network: In eval mode, on the device of the batch.
        batch: All views of a video, on the network's device.
        micro_batch: Views at a time, at most.

    Raises:
        HarnessError: If the device has no memory for so many.
    """
    num_views = len(batch)
    # In equal shares: 9 views, at most 8 at a time, are 5 and 4, whose memory is less than that of 8 and 1.
    size = math.ceil(num_views / math.ceil(num_views / micro_batch))
    try:
        parts = [
            _logits(network, batch.rows(start, start + size)).cpu() for start in range(0, num_views, size)
        ]
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        raise HarnessError(
            f"Out of memory on {batch.video.device} with {size} views at a time. Lower --micro-batch below "
            "that; the scores stay the same, and finished videos are kept."
        ) from error
    return torch.cat(parts)


@torch.inference_mode()
def _logits(network: I3DResNet, views: Batch) -> torch.Tensor:
    on_gpu = views.video.is_cuda
    dtype = torch.bfloat16 if on_gpu else torch.float32
    with torch.autocast("cuda", dtype=dtype) if on_gpu else nullcontext():
        features = network.features(to_network_input(views, dtype=dtype))
    return network.logits(features.float())


def _is_out_of_memory(error: RuntimeError) -> bool:
    # The CPU's allocator has no exception of its own.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
