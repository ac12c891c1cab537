"""Evaluate: score every video of a split once, on any number of ranks, and go on after a stop."""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.harness.evaluation.run import evaluate as evaluate

__all__ = ["evaluate"]
# The report reads results without torch.
__getattr__, __dir__ = lazy_names(__name__, {"evaluate": "vidprep.harness.evaluation.run"})
