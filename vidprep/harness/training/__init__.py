"""Train: from a request to the checkpoint of the last epoch.

run.py, setup.py, loop.py   the whole training, its parts, its loop
recipe_choice.py   recipe and overrides        schedule.py      the learning rate of each step
step.py            forward, loss, backward     tally.py         sums for the next line of metrics
checkpoints.py     written, pruned, read       resume.py        going on from one; continuing/ with changes
batch_norm.py      statistics over ranks       dropout.py       which features are dropped
planning/          memory and time             validation/      between epochs, and the best checkpoint
loggers/           metrics.jsonl and others    run_facts.py     run.json
"""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.harness.training.run import train as train

__all__ = ["train"]
# Whoever wants only the schedule needs no torch.
__getattr__, __dir__ = lazy_names(__name__, {"train": "vidprep.harness.training.run"})
