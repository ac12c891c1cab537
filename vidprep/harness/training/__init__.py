"""Train: the loop, its state and checkpoints, one optimiser step, metrics."""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.harness.training.run import train as train

__all__ = ["train"]
# Whoever wants only the schedule needs no torch.
__getattr__, __dir__ = lazy_names(__name__, {"train": "vidprep.harness.training.run"})
