"""An exponential moving average (EMA) of a network's weights, beside them while they are trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from vidprep.model.weight_files import Tensors


class WeightAverage:
    """The average of a network's weights and of its batch norms' statistics; it begins with their values.

    Attributes:
        decay: Weight of the old average at a step, see `decay_at`.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self._average: Tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, num_steps: int) -> None:
        """Add the weights to the average, as they are after `num_steps` optimiser steps of the whole run."""
        now = net.state_dict()
        floats = [name for name, tensor in now.items() if tensor.is_floating_point()]
        average = get_ema_multi_avg_fn(decay_at(num_steps, self.decay))  # type: ignore[no-untyped-call]
        average([self._average[name] for name in floats], [now[name] for name in floats], num_steps)
        for name in now.keys() - floats:  # counters of batch norms
            self._average[name].copy_(now[name])

    def state_dict(self) -> Tensors:
        """Return the average, under the network's own names."""
        return self._average

    def load_state_dict(self, saved: Tensors) -> None:
        """Go on from a saved average.

        Raises:
            ValueError: If it is of another network.
        """
        shapes = {name: tensor.shape for name, tensor in saved.items()}
        if shapes != {name: tensor.shape for name, tensor in self._average.items()}:
            raise ValueError("the average ('ema') has other weights than the network has")
        for name, tensor in saved.items():
            self._average[name].copy_(tensor)

    @contextmanager
    def put_into(self, net: nn.Module) -> Iterator[None]:
        """Give a network the averaged weights for the length of a `with` block, then its own again."""
        trained = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        net.load_state_dict(self._average)
        try:
            yield
        finally:
            net.load_state_dict(trained)


def decay_at(num_steps: int, decay: float) -> float:
    """Return the weight of the old average at a step: min(decay, (1 + n) / (10 + n)) with n = `num_steps`.

    It is small at first, so that the random first weights are soon forgotten.

        decay=0.999:  step 1 -> 2/11,  step 90 -> 91/100,  step 10,000 -> 0.999

    Source: `num_updates` of TensorFlow's tf.train.ExponentialMovingAverage.
    """
    return min(decay, (1 + num_steps) / (10 + num_steps))
