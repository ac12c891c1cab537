"""Evaluate: score every video of a split once, on any number of ranks, and go on after a stop.

run.py, scoring.py   the whole evaluation, one checkpoint   request.py   network, views and classes
logits.py            from views to logits                   scores.py    sums over views, top-k, intervals
partial_results.py   what is done so far                    results.py   results.json
annotation.py        bounds over all annotated videos       rescore.py   figures on common videos
pairing.py           McNemar's test, bootstrap              probes.py    frozen, shuffled, reversed frames
class_orders/        networks with other class orders       tables/      predictions, classes, confusions
"""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.harness.evaluation.run import evaluate as evaluate

__all__ = ["evaluate"]
# The report reads results without torch.
__getattr__, __dir__ = lazy_names(__name__, {"evaluate": "vidprep.harness.evaluation.run"})
