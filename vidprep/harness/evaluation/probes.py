"""How much does a network use motion? It is shown the same clips still, out of order, or backwards.

A network keeps its weights and sees frames of the same videos, so its accuracy on a probe, compared with the
usual one, says how much it uses the order of frames. Cutting its temporal kernels (`model.centre_tap`) breaks
the network instead, which says little about motion.
"""

import torch

from vidprep.harness.evaluation.results import Probe
from vidprep.load.sampling.draws import Draws

_SEED = 0  # of the shuffled frames: one order for each video, whoever evaluates it


def probed(clips: torch.Tensor, probe: Probe | None, *, key: str) -> torch.Tensor:
    """Return the clips of a video with their frames as a probe arranges them.

        "frozen"     all frames are the middle one, T // 2
        "shuffled"   frames in an order that follows from the key, the same in all views of the video
        "reversed"   the last frame first

    Args:
        clips: (V, 3, T, H, W), all of one video.
        probe: One of these; None leaves the clips as they are.
        key: Key of the video.
    """
    if probe is None:
        return clips
    order = torch.tensor(frame_order(probe, clips.shape[2], key=key), device=clips.device)
    return clips.index_select(2, order).contiguous(memory_format=torch.channels_last_3d)


def frame_order(probe: Probe, num_frames: int, *, key: str) -> list[int]:
    """Return which frame of a clip a probe shows at each place.

    "frozen", 5 frames -> [2, 2, 2, 2, 2];  "reversed" -> [4, 3, 2, 1, 0]
    """
    if probe == "frozen":
        return [num_frames // 2] * num_frames
    if probe == "reversed":
        return list(range(num_frames))[::-1]
    order, draws = list(range(num_frames)), Draws("probe", _SEED, key)
    for last in range(num_frames - 1, 0, -1):  # Fisher and Yates
        other = draws.below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order
