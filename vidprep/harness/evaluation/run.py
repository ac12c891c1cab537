"""Evaluate a network on the views of every video of a split: the whole of it, as one function."""

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from vidprep.harness.device import Precision
from vidprep.harness.evaluation.request import EvalRequest
from vidprep.harness.evaluation.results import Results
from vidprep.harness.evaluation.scoring import score_split
from vidprep.harness.evaluation.view_choice import Protocol
from vidprep.harness.ranks import Device, joined_ranks
from vidprep.load import LoaderOptions
from vidprep.shards.shard_set import ShardSet

_VIEWS = re.compile(r"(\d+)x(\d+)")


def evaluate(
    shards: ShardSet | Path | str,
    checkpoint: Path | str,
    out_dir: Path | str,
    *,
    split: str = "validation",
    views: str | None = None,
    protocol: Protocol | None = None,
    overrides: Sequence[str] = (),
    centre_tap: bool = False,
    device: Device | None = None,
    precision: Precision | None = None,
    micro_batch: int | None = None,
    loading: LoaderOptions | None = None,
    on_video: Callable[[int, int], object] = lambda done, total: None,
) -> Results:
    """Score every video of a split once, and write results.json and predictions.parquet.

    An evaluation that was stopped goes on where it was, with any number of ranks; one that is complete is
    not done again. A video that cannot be read or decoded is left out, and the results say so.

        results = vidprep.evaluate("shards/motion", "runs/motion", "evals/motion")
        print(results.top1, results.coverage.seen)

    Args:
        shards: A shard set, its folder or its URL.
        checkpoint: A file of 3D weights, or the folder of a run: then its last epoch.
        out_dir: Of the results; a folder that all ranks see.
        split: E.g. "validation".
        views: Crops x clips of a video, e.g. "3x10"; None: the recipe's.
        protocol: "ibm" takes the views and the head of that code, see `pipelines/ibm_*.toml`.
        overrides: `eval_views.KEY=VALUE` settings.
        centre_tap: Cut the temporal kernels to their centre tap first.
        device: None: a GPU where there is one.
        precision: Of the convolutions; None: "bf16" on a GPU, "fp32" on a CPU.
        micro_batch: Views that the network takes at a time; None: 8 of 32x256x256 on a GPU, 2 on a CPU.
        loading: How to read and decode; None: the defaults.
        on_video: Called after each video with how many of this rank are done, and how many it has.

    Returns:
        What was written, on every rank.

    Raises:
        CheckpointError: If the checkpoint is unusable, or was trained on other classes.
        HarnessError: If `out_dir` holds another evaluation, no video could be scored, the network gives no
            finite numbers, or memory runs out.
        HarnessStopped: By SIGTERM or Ctrl-C; what is done is kept.
        LoaderError: If a worker dies.
        RecipeError: If an override is wrong, or the crops do not fit into the videos.
        ShardError: If the shards are incomplete or have no such split.
        ValueError: If `views` is not of the form CROPSxCLIPS.
    """
    request = EvalRequest(
        checkpoint,
        shards,
        Path(out_dir),
        split=split,
        protocol=protocol,
        overrides=[*view_counts(views), *overrides],
        centre_tap=centre_tap,
        precision=precision,
        micro_batch=micro_batch,
        options=loading or LoaderOptions(),
    )
    with joined_ranks(device) as ranks:
        if not ranks.is_first:
            logging.getLogger("vidprep").setLevel(logging.ERROR)  # one voice for what all of them would say
        return score_split(request, ranks, on_video=on_video)


def view_counts(views: str | None) -> list[str]:
    """Return "3x10" as settings of a recipe: 3 crops, 10 clips.

    Raises:
        ValueError: If it has another form.
    """
    if views is None:
        return []
    match = _VIEWS.fullmatch(views)
    if match is None:
        raise ValueError(f"{views!r} is not of the form CROPSxCLIPS, e.g. 3x10.")
    return [f"eval_views.num_crops={match[1]}", f"eval_views.num_clips={match[2]}"]
