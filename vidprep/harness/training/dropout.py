"""Which features dropout drops: for each clip a function of (seed, epoch, key).

So a step is the same on any number of ranks and with any micro-batch, and a run that is resumed needs no
state of a random number generator.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from vidprep.load.sampling.draws import Draws

_LEVELS = 1 << 16


def kept_features(
    keys: Sequence[str], shape: tuple[int, ...], *, dropout: float, seed: int, epoch: int
) -> torch.Tensor:
    """Return which features of each clip are kept: (N, *shape) bool, true with probability 1 - `dropout`.

    Args:
        keys: Keys of the N clips.
        shape: Shape of one clip's features, see `I3DResNet.dropout_shape`.
        dropout: Probability that a feature is dropped, rounded to 1 / 65,536.
        seed: Seed of the run.
        epoch: From 0.
    """
    threshold = round(dropout * _LEVELS)
    size = math.prod(shape)
    kept = np.empty((len(keys), size), dtype=bool)
    for row, key in enumerate(keys):
        # NumPy keeps the raw bits of a generator stable from release to release.
        bits = np.random.Philox(key=Draws("dropout", seed, epoch, key).below(1 << 64))
        draws = bits.random_raw(math.ceil(size / 4)).view(np.uint16)
        np.greater_equal(draws[:size], threshold, out=kept[row])
    return torch.from_numpy(kept).view(len(keys), *shape)
