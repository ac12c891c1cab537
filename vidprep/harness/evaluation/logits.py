"""From the views of a video to logits, a few views at a time."""

import math

import torch

from vidprep.errors import HarnessError
from vidprep.harness.device import Precision, autocast_dtype, computing_in, is_out_of_memory
from vidprep.harness.evaluation.probes import probed
from vidprep.harness.evaluation.results import Probe
from vidprep.load.batch import Batch
from vidprep.load.transforms import to_network_input
from vidprep.model.network import Network
from vidprep.recipes.recipe import Chroma, EvalViews

# A view of 32 x 256 x 256 takes about half a GB of ResNet-50's activations in float32, half that in bfloat16.
_FULL_VIEWS = {"cpu": 2, "cuda": 8}


def default_micro_batch(device: torch.device, views: EvalViews) -> int:
    """Return how many views to run at a time: as many pixels as 8 views of 32 x 256 x 256, 2 on a CPU."""
    full = 32 * 256 * 256
    return max(1, _FULL_VIEWS[device.type] * full // (views.clip_len * views.crop_size**2))


def view_logits(
    network: Network,
    batch: Batch,
    *,
    micro_batch: int,
    precision: Precision,
    chroma: Chroma,
    probe: Probe | None = None,
) -> torch.Tensor:
    """Return the logits of every view, (V, C) float32 on the CPU.

    The classifier computes in float32 whatever the precision, see `I3DResNet.logits`.

    Args:
        network: The network, in eval mode, on the device of the batch.
        batch: All views of a video, on the network's device.
        micro_batch: Views at a time, at most.
        precision: Number format of the convolutions.
        chroma: How the colours of the training clips were converted, see `yuv420_to_rgb`.
        probe: How the frames are rearranged, see `probed`; None: not at all.

    Raises:
        HarnessError: If memory runs out.
    """
    num_views = len(batch)
    # In equal shares: 9 views, at most 8 at a time, are 5 and 4, whose memory is less than that of 8 and 1.
    size = math.ceil(num_views / math.ceil(num_views / micro_batch))
    try:
        parts = [
            _logits(network, batch.rows(start, start + size), precision, chroma, probe).cpu()
            for start in range(0, num_views, size)
        ]
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise HarnessError(
            f"Out of memory on {batch.video.device} with {size} views at a time. Lower --micro-batch below "
            "that; the scores stay the same, and finished videos are kept."
        ) from error
    return torch.cat(parts)


@torch.inference_mode()
def _logits(
    network: Network, views: Batch, precision: Precision, chroma: Chroma, probe: Probe | None
) -> torch.Tensor:
    dtype = autocast_dtype(precision)
    clips = to_network_input(views, dtype=dtype or torch.float32, chroma=chroma)
    clips = probed(clips, probe, key=views.key[0])
    with computing_in(precision), torch.autocast(clips.device.type, dtype, enabled=dtype is not None):
        logits: torch.Tensor = network(clips)
    return logits.float()
