"""A network cut to the centre tap of its temporal kernels: it processes each frame alone, blind to motion."""

import torch
from torch import nn


def cut_to_centre_tap(network: nn.Module) -> int:
    """Set all but the middle tap of every temporal kernel to zero, in place.

    Returns:
        How many convolutions had such kernels.
    """
    temporal = [m for m in network.modules() if isinstance(m, nn.Conv3d) and m.kernel_size[0] > 1]
    with torch.no_grad():
        for layer in temporal:
            middle = layer.kernel_size[0] // 2
            layer.weight[:, :, :middle] = 0
            layer.weight[:, :, middle + 1 :] = 0
    return len(temporal)
