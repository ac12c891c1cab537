"""Evaluate a network on the views of every video of a split."""

import logging
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from vidprep.errors import HarnessError, HarnessStopped
from vidprep.harness.environment import describe_environment
from vidprep.harness.evaluation.annotation import account_for_annotation
from vidprep.harness.evaluation.class_orders.suspicion import OrderWatch, reasons_for_doubt
from vidprep.harness.evaluation.logits import default_micro_batch, view_logits
from vidprep.harness.evaluation.partial_results import (
    PARTS,
    PartWriter,
    check_identity,
    only_evaluation,
    open_parts,
    read_done,
    read_failures,
    read_parts,
    write_failures,
)
from vidprep.harness.evaluation.request import EvalRequest, Evaluation, identity_of, prepare
from vidprep.harness.evaluation.results import (
    RESULTS,
    EvaluatedCheckpoint,
    EvaluatedShards,
    Results,
    coverage,
    figures,
    read_results,
    write_results,
)
from vidprep.harness.evaluation.scores import centre_view, score_video
from vidprep.harness.evaluation.tables.per_class import write_class_tables
from vidprep.harness.evaluation.tables.predictions import PREDICTIONS, once_in_order, write_predictions
from vidprep.harness.evaluation.tables.seen_frames import count_seen_frames
from vidprep.harness.evaluation.tables.turned_classes import write_turned_table
from vidprep.harness.ranks import Ranks
from vidprep.load import ViewLoader
from vidprep.recipes.manifests import class_list_hash
from vidprep.shards.manifest import file_sha256
from vidprep.stop_signals import interrupted_by_stop_signals

_log = logging.getLogger(__name__)


def score_split(
    request: EvalRequest, ranks: Ranks, *, on_video: Callable[[int, int], object] = lambda done, total: None
) -> Results:
    """Evaluate one checkpoint, and write results.json and predictions.parquet; see `vidprep.evaluate`.

    Args:
        request: What to evaluate.
        ranks: The processes that share the videos, and this one's device.
        on_video: Called after each video with how many of this rank are done, and how many it has.

    Returns:
        What was written, on every rank.

    Raises:
        VidprepError: As `vidprep.evaluate` says.
    """
    evaluation, out_dir = prepare(request, ranks.device), request.out_dir
    if (finished := _finished(evaluation, out_dir)) is not None:
        _log.warning("%s holds this evaluation, every stored video scored: nothing is done again.", out_dir)
        return finished
    with only_evaluation(out_dir / PARTS) if ranks.is_first else nullcontext():
        if ranks.is_first:
            open_parts(out_dir / PARTS, evaluation.identity())
        ranks.barrier()
        _score_share(evaluation, request, ranks, on_video)
        ranks.barrier()
        if ranks.is_first:
            _finish(evaluation, out_dir, ranks)
    ranks.barrier()
    return read_results(out_dir)


def _finished(evaluation: Evaluation, out_dir: Path) -> Results | None:
    """Return the results in the folder if every video is scored; refuse those of another evaluation."""
    identity = evaluation.identity()
    check_identity(out_dir, identity)
    if not (out_dir / RESULTS).is_file():
        return None
    results = read_results(out_dir)
    check_identity(out_dir, identity, identity_of(results))
    return results if results.all_stored_scored else None


def _score_share(
    evaluation: Evaluation, request: EvalRequest, ranks: Ranks, on_video: Callable[[int, int], object]
) -> None:
    """Score the videos of this rank that nobody has scored yet."""
    parts_dir = request.out_dir / PARTS
    micro_batch = request.micro_batch or default_micro_batch(ranks.device, evaluation.views)
    done = read_done(parts_dir)
    ranks.barrier()  # no rank writes before all know what is left
    failures: dict[str, str] = {}
    loader = ViewLoader(
        evaluation.shards,
        evaluation.split.name,
        views=evaluation.views,
        rank=ranks.rank,
        world_size=ranks.world_size,
        skip=set(done.tolist()),
        on_failure=failures.__setitem__,
        options=replace(request.options, pin_memory=ranks.device.type == "cuda"),
    )
    writer = PartWriter(parts_dir)
    with _keep_when_stopped(writer, request.out_dir):
        _score_videos(evaluation, loader, writer, ranks.device, micro_batch, on_video)
    write_failures(parts_dir, ranks.rank, failures)


def _score_videos(
    evaluation: Evaluation,
    loader: ViewLoader,
    writer: PartWriter,
    device: torch.device,
    micro_batch: int,
    on_video: Callable[[int, int], object],
) -> None:
    rows = {key: row for row, key in enumerate(evaluation.split.index["key"].to_pylist())}
    centre = centre_view(evaluation.views)
    watch = OrderWatch(_log.warning, names_classes=evaluation.names_classes)
    with loader, closing(iter(loader)) as batches:
        for number, batch in enumerate(batches, start=1):
            key, label = batch.key[0], int(batch.label[0])
            logits = view_logits(
                evaluation.network,
                batch.to(device),
                micro_batch=micro_batch,
                precision=evaluation.precision,
                chroma=evaluation.checkpoint.weights.chroma,
                probe=evaluation.probe,
            ).numpy()
            if evaluation.class_order is not None:
                logits = logits[:, list(evaluation.class_order.logits)]
            try:
                video = score_video(logits, label, centre=centre)
            except ValueError as error:
                raise HarnessError(
                    f"The network of {evaluation.checkpoint.path} gives no usable scores for {key}: {error} "
                    "Its training has diverged, or the file is damaged."
                ) from error
            writer.add(rows[key], key, label, video)
            if evaluation.probe is None:
                watch.add(label, video.predicted)
            on_video(number, len(loader))


@contextmanager
def _keep_when_stopped(writer: PartWriter, out_dir: Path) -> Iterator[None]:
    """Write the scored videos to disk, whatever ends the `with` block; a stop signal is `HarnessStopped`.

    The current video is lost: on a CPU the rest of it may take longer than a scheduler waits.
    """
    try:
        with interrupted_by_stop_signals():
            yield
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        raise HarnessStopped(
            f"Stopped by {signal.Signals(number).name}. Finished videos are kept in {out_dir / PARTS}; the "
            "same command goes on from there, also with another number of processes.",
            number,
        ) from error
    finally:
        writer.flush()


def _finish(evaluation: Evaluation, out_dir: Path, ranks: Ranks) -> None:
    """Put the parts of all ranks together; they are kept if something is missing."""
    parts_dir = out_dir / PARTS
    failures = read_failures(parts_dir)
    names = ["row", "label", "predicted", "logit_rank", "softmax_rank", "centre_rank", "seconds"]
    parts = read_parts(parts_dir).to_table(columns=names)
    if not len(parts):
        first = next(iter(failures.values()), "the split is empty")
        raise HarnessError(f"None of {len(evaluation.split)} videos could be scored. The first: {first}")
    write_predictions(parts_dir, len(evaluation.split), out_dir / PREDICTIONS, classes=evaluation.classes)
    _write_tables(evaluation, once_in_order(parts), out_dir)
    results = _results(evaluation, ranks, parts, failures, file_sha256(out_dir / PREDICTIONS))
    write_results(results, out_dir)
    if results.all_stored_scored:
        shutil.rmtree(parts_dir)


def _write_tables(evaluation: Evaluation, parts: pa.Table, out_dir: Path) -> None:
    labels, predicted, ranks = _integers(parts, "label", "predicted", "logit_rank")
    write_class_tables(labels, predicted, ranks, evaluation.classes, out_dir)
    if evaluation.probe == "reversed":
        write_turned_table(labels, predicted, evaluation.classes, out_dir)


def _integers(parts: pa.Table, *names: str) -> list[npt.NDArray[np.int64]]:
    return [parts[name].to_numpy().astype(np.int64) for name in names]


def _results(
    evaluation: Evaluation,
    ranks: Ranks,
    parts: pa.Table,
    failures: dict[str, str],
    predictions_sha256: str,
) -> Results:
    seen = coverage(parts["row"].to_numpy(), len(evaluation.split), failures)
    parts, views = once_in_order(parts), evaluation.views
    seconds = sum(parts["seconds"].to_pylist()) / ranks.world_size  # without what lay between two starts
    checkpoint, shards = evaluation.checkpoint, evaluation.shards
    labels, predicted, logit_ranks = _integers(parts, "label", "predicted", "logit_rank")
    return Results(
        **dict(figures(parts)),
        all_stored_scored=seen.all_stored_scored,
        coverage=seen,
        annotation=account_for_annotation(shards, evaluation.split.name, logit_ranks),
        checkpoint=EvaluatedCheckpoint(
            path=str(checkpoint.path),
            sha256=checkpoint.sha256,
            epoch=checkpoint.epoch,
            total_steps=checkpoint.total_steps,
            selected_by=checkpoint.weights.selected_by,
            weights=evaluation.weights,
        ),
        shards=EvaluatedShards(root=shards.root, fingerprint=shards.fingerprint, split=evaluation.split.name),
        classes=evaluation.classes,
        class_list_hash=class_list_hash(evaluation.classes),
        views=views,
        protocol=evaluation.protocol,
        centre_tap=evaluation.centre_tap,
        probe=evaluation.probe,
        class_order=evaluation.class_order,
        seen_frames=count_seen_frames(evaluation.split, views),
        warnings=reasons_for_doubt(
            labels,
            predicted,
            evaluation.classes,
            names_classes=evaluation.names_classes,
            may_turn=evaluation.probe is not None,
        ),
        predictions_sha256=predictions_sha256,
        recipe=checkpoint.weights.recipe,
        seconds=seconds,
        views_per_second=len(parts) * views.num_clips * views.num_crops / seconds,
        environment=describe_environment(ranks) | {"precision": evaluation.precision},
    )
