"""Train: the loop, its state and checkpoints, one optimiser step, metrics."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.harness.training.run import train as train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    # On demand: whoever wants only the schedule needs no torch.
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidprep.harness.training.run import train

    return train
