"""Accuracy over the epochs of a run: every checkpoint that was kept, evaluated in the same way.

OUT/                       evaluation of the last epoch
OUT/epochs/epoch-0005/     evaluation of another epoch
OUT/over_epochs.csv        a row for each epoch; over_epochs.png is a figure of it
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from vidprep.errors import HarnessError
from vidprep.files import write_whole
from vidprep.harness.evaluation.request import EvalRequest
from vidprep.harness.evaluation.results import EPOCHS, Results
from vidprep.harness.evaluation.scoring import score_split
from vidprep.harness.evaluation.tables.epochs import OVER_EPOCHS, epochs_table
from vidprep.harness.evaluation.tables.per_class import write_csv
from vidprep.harness.ranks import Ranks
from vidprep.harness.run_folder import epoch_checkpoints

_FIGURE = "over_epochs.png"


def score_all_epochs(
    request: EvalRequest, ranks: Ranks, *, on_video: Callable[[int, int], object] = lambda done, total: None
) -> Results:
    """Evaluate every epoch's checkpoint of a run; what is done already is not done again.

    Args:
        request: What to evaluate; its `checkpoint` is the folder of a run.
        ranks: The processes that share the videos.
        on_video: As in `score_split`; it begins anew with each checkpoint.

    Returns:
        The results of the last epoch.

    Raises:
        HarnessError: If `checkpoint` is no run with two epochs' checkpoints, and as `score_split`.
    """
    checkpoints = epoch_checkpoints(Path(request.checkpoint))
    if len(checkpoints) < 2:
        raise HarnessError(
            f"{request.checkpoint} holds {len(checkpoints)} epochs' checkpoints, and accuracy over epochs "
            "needs two. Give the folder of a run, and train with --keep-every 1 to keep them all."
        )
    last = score_split(request, ranks, on_video=on_video)
    found = {}
    for epoch, path in checkpoints.items():
        out_dir = request.out_dir / EPOCHS / path.stem
        one = replace(request, checkpoint=path, out_dir=out_dir)
        is_last = epoch == max(checkpoints)
        found[epoch] = last if is_last else score_split(one, ranks, on_video=on_video)
    if ranks.is_first:
        table = epochs_table(found)
        write_csv(table, request.out_dir / OVER_EPOCHS)
        write_whole(request.out_dir / _FIGURE, _figure(table, last.classes))
    return last


def _figure(table: pd.DataFrame, classes: Sequence[str]) -> bytes:
    from matplotlib.figure import Figure  # takes a second, and only this needs it

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(table["epoch"], 100 * table["top1_low"], 100 * table["top1_high"], alpha=0.2, lw=0)
    axes.plot(table["epoch"], 100 * table["top1"], marker="o", label="top-1, with its 95 % interval")
    axes.plot(table["epoch"], 100 * table["top5"], marker=".", label="top-5")
    axes.axhline(100 / len(classes), color="grey", ls=":", label="chance")
    axes.set(xlabel="epochs trained", ylabel="of the videos, %", ylim=(0, 100))
    axes.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=150)
    return data.getvalue()
