"""Evaluate a network on the views of every video of a split: the whole of it, as one function."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from vidprep.harness.device import Precision
from vidprep.harness.evaluation.comparisons.over_epochs import score_all_epochs
from vidprep.harness.evaluation.request import EvalRequest
from vidprep.harness.evaluation.rescore import check_passports, rescore
from vidprep.harness.evaluation.results import Probe, Results, read_results, write_results
from vidprep.harness.evaluation.scoring import score_split
from vidprep.harness.evaluation.view_choice import Protocol
from vidprep.harness.ranks import Device, joined_ranks
from vidprep.load import LoaderOptions
from vidprep.recipes.pipelines import view_counts
from vidprep.recipes.recipe import Weights
from vidprep.shards.passports.making import open_passport
from vidprep.shards.passports.passport import Passport
from vidprep.shards.shard_set import ShardSet


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
    probe: Probe | None = None,
    classes: Path | str | None = None,
    device: Device | None = None,
    precision: Precision | None = None,
    weights: Weights | None = None,
    micro_batch: int | None = None,
    loading: LoaderOptions | None = None,
    on: Sequence[Passport | Path | str] = (),
    all_checkpoints: bool = False,
    on_video: Callable[[int, int], object] = lambda done, total: None,
) -> Results:
    """Score every video of a split once, and write results.json and predictions.parquet.

    An evaluation that was stopped goes on where it was, with any number of ranks; a finished one is not done
    again. A video that cannot be read or decoded is left out, and the results say so.

        results = vidprep.evaluate("shards/motion", "runs/motion", "evals/motion")
        print(results.top1, results.annotation.top1_bounds)

    Args:
        shards: A shard set, its folder or its URL.
        checkpoint: A file of 3D weights, or the folder of a run: then its last epoch.
        out_dir: Folder of the results; all ranks must see it.
        split: E.g. "validation".
        views: Crops x clips of a video, e.g. "3x10"; None: the recipe's.
        protocol: "ibm" takes the views and the head of that code, see `pipelines/ibm_*.toml`.
        overrides: `eval_views.KEY=VALUE` settings.
        centre_tap: Cut the temporal kernels to their centre tap first, which breaks most networks.
        probe: To see how much the network uses motion: "frozen" shows only the middle frame of each clip,
            "shuffled" its frames out of order, "reversed" backwards.
        classes: The order of the network's classes, where its file does not say it: a file of names, or
            "uniformer_k400", see docs/harness.md.
        device: "cuda" or "cpu"; None: a GPU where there is one.
        precision: Number format of the convolutions; None: "bf16" on a GPU, "fp32" on a CPU.
        weights: "trained", or "ema": their average, where `optimisation.ema_decay` made one; None: as
            `validation.weights` of the checkpoint's recipe says.
        micro_batch: Views that the network takes at a time; None: 8 of 32x256x256 on a GPU, 2 on a CPU.
        loading: How to read and decode; None: the defaults.
        on: Passports, or shard sets: `common` of the results then has the figures of the videos that all
            of them hold with the same content.
        all_checkpoints: Evaluate every epoch's checkpoint that a run has kept: `over_epochs.csv` and a
            figure of it.
        on_video: Called after each video with how many of this rank are done, and how many it has.

    Returns:
        The content of results.json, on every rank.

    Raises:
        CheckpointError: If the checkpoint is unusable, or was trained on other classes.
        HarnessError: If `out_dir` holds another evaluation, no video could be scored, the network gives no
            finite numbers, or memory runs out.
        HarnessStopped: If SIGTERM or Ctrl-C asked for a stop; finished videos are kept.
        LoaderError: If a worker dies.
        RecipeError: If an override is wrong, or the crops do not fit into the videos.
        ShardError: If the shards are incomplete or have no such split.
        ValueError: If `views` is not of the form CROPSxCLIPS.
    """
    opened = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
    passports = _open_passports(on, opened)
    request = EvalRequest(
        checkpoint,
        opened,
        Path(out_dir),
        split=split,
        protocol=protocol,
        overrides=[*view_counts(views), *overrides],
        centre_tap=centre_tap,
        probe=probe,
        classes=None if classes is None else str(classes),
        precision=precision,
        weights=weights,
        micro_batch=micro_batch,
        options=loading or LoaderOptions(),
    )
    with joined_ranks(device) as ranks:
        if not ranks.is_first:
            logging.getLogger("vidprep").setLevel(logging.ERROR)  # every rank would log the same
        score = score_all_epochs if all_checkpoints else score_split
        results = score(request, ranks, on_video=on_video)
        if passports and ranks.is_first:
            results = results.model_copy(update={"common": rescore(request.out_dir, passports)})
            write_results(results, request.out_dir)
        ranks.barrier()
        return read_results(request.out_dir)


def _open_passports(on: Sequence[Passport | Path | str], shards: ShardSet) -> list[Passport]:
    """Return the passports, that of the evaluated set first: it tells which downloads are wrong."""
    passports = [one if isinstance(one, Passport) else open_passport(one) for one in on]
    check_passports(passports, shards.classes)
    if passports and shards.manifest and shards.manifest.passport_sha256:
        passports.insert(0, open_passport(shards.root))
    return passports
