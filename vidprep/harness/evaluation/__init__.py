"""Evaluate: score every video of a split once, on any number of ranks, and go on after a stop."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.harness.evaluation.run import evaluate as evaluate

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    # On demand: the report reads results without torch.
    if name != "evaluate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidprep.harness.evaluation.run import evaluate

    return evaluate
