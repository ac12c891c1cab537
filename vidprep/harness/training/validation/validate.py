"""Evaluate the network on the validation split while it trains: the figures that an evaluation would give."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from vidprep.errors import HarnessError, ShardError
from vidprep.harness.evaluation.logits import default_micro_batch, view_logits
from vidprep.harness.evaluation.scores import centre_view, label_ranks, softmax
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.state import Training
from vidprep.load import Batch, ViewLoader
from vidprep.recipes.recipe import Recipe, Validation

SPLIT = "validation"
Floats = npt.NDArray[np.float32]

_log = logging.getLogger(__name__)


def is_due(stage: Validation, position: Position, epochs: int) -> bool:
    """Tell whether the network is validated at a position: every N-th epoch, and after the last."""
    if position.step or not position.epoch or not stage.every:
        return False
    return position.epoch % stage.every == 0 or position.epoch == epochs


def chosen_rows(num_videos: int, max_videos: int) -> list[int]:
    """Return which videos of a split are evaluated: the same at every epoch, spread evenly over the split.

    10 videos, at most 4 -> [0, 2, 5, 7];  10 videos, at most 0 -> all of them
    """
    number = min(num_videos, max_videos or num_videos)
    return [at * num_videos // number for at in range(number)]


def check_validation(training: Training) -> None:
    """Refuse a training that could not be validated when its first epoch is over.

    Raises:
        HarnessError: If the shards have no validation split, or the crops do not fit into its videos.
    """
    shards, stage = training.shards, training.request.recipe.validation
    if not stage.every:
        return
    try:
        _loader(training, [])
    except ShardError as error:
        raise HarnessError(
            f"{error} The recipe validates the network on it while it trains; --set "
            "validation.every=0 leaves that out."
        ) from error
    except ValueError as error:
        raise HarnessError(f"{shards.root}: {error} See --set eval_views.KEY=VALUE.") from error


def validate(training: Training, stop_asked: Callable[[], bool]) -> dict[str, float] | None:
    """Evaluate the network as it is, on all ranks together, without any influence on the training.

    Args:
        training: Between two epochs.
        stop_asked: Whether this rank is asked to stop; looked at after each video.

    Returns:
        A line of metrics.jsonl without its step, the same on all ranks; None if a rank is to stop.

    Raises:
        HarnessError: If the network gives no finite numbers, or no video could be evaluated.
    """
    began, ranks, split = time.perf_counter(), training.ranks, training.shards.split(SPLIT)
    rows = chosen_rows(len(split), training.request.recipe.validation.max_videos)
    row_of = {key: row for row, key in enumerate(split.index["key"].to_pylist())}
    figures = torch.zeros(len(split), 4, dtype=torch.float64)
    with _network_to_validate(training), _loader(training, rows) as loader, closing(iter(loader)) as batches:
        for _ in range(math.ceil(len(rows) / ranks.world_size)):  # as often on every rank
            if (batch := next(batches, None)) is not None:
                logits = _logits(training, batch)
                figures[row_of[batch.key[0]]] = _figures(logits, int(batch.label[0]), batch.key[0])
            if ranks.any(stop_asked()):
                return None
    return _line(ranks.sum(figures), time.perf_counter() - began)


@contextmanager
def _network_to_validate(training: Training) -> Iterator[None]:
    """Give the network the weights to validate, the same on all ranks, for the length of a `with` block."""
    net, ranks = training.bare, training.ranks
    average = training.average if training.request.recipe.validation.weights == "ema" else None
    with average.put_into(net) if average else nullcontext():
        # Statistics of batch norm are each rank's own. A checkpoint has the first one's, which every rank
        # takes over at its next training step, too.
        ranks.copy_from_first(net.buffers())
        net.eval()
        try:
            yield
        finally:
            net.train()


def _loader(training: Training, rows: list[int]) -> ViewLoader:
    request, ranks = training.request, training.ranks
    views, num_videos = request.recipe.eval_views, len(training.shards.split(SPLIT))
    return ViewLoader(
        training.shards,
        SPLIT,
        views=views,
        only_views=_view_numbers(request.recipe),
        rank=ranks.rank,
        world_size=ranks.world_size,
        skip=set(range(num_videos)) - set(rows),
        on_failure=lambda key, reason: _log.warning("Not evaluated: %s: %s", key, reason),
        options=replace(request.loading, pin_memory=ranks.device.type == "cuda"),
    )


def _view_numbers(recipe: Recipe) -> tuple[int, ...]:
    views = recipe.eval_views
    if recipe.validation.views == "centre":
        return (centre_view(views),)
    return tuple(range(views.num_clips * views.num_crops))


def _logits(training: Training, batch: Batch) -> Floats:
    settings = training.settings
    views = training.request.recipe.eval_views
    return view_logits(
        training.bare,
        batch.to(settings.device),
        micro_batch=default_micro_batch(settings.device, views),
        precision=settings.precision,
        chroma=settings.chroma,
    ).numpy()


def _figures(logits: Floats, label: int, key: str) -> torch.Tensor:
    """Return [1, loss, top-1, top-5] of one video, the last two 0 or 1."""
    if not np.isfinite(logits).all():
        raise HarnessError(
            f"The network gives no finite scores for {key} of the validation split: its training has "
            "diverged. Lower the learning rate (--set optimisation.lr=...), or train with --precision fp32."
        )
    rank = int(label_ranks(logits.sum(0)[None], np.array([label]))[0])
    loss = -math.log(max(float(softmax(logits).mean(0)[label]), 1e-30))
    return torch.tensor([1.0, loss, rank < 1, rank < 5], dtype=torch.float64)


def _line(figures: torch.Tensor, seconds: float) -> dict[str, float]:
    # Each row has one rank's numbers, and zeros of the others: it does not matter which rank had which.
    number, loss, top1, top5 = figures.sum(0).tolist()
    if not number:
        raise HarnessError(
            "Not one video of the validation split could be evaluated; warnings above name them."
        )
    return {
        "validation_loss": loss / number,
        "validation_top1": top1 / number,
        "validation_top5": top5 / number,
        "validation_videos": number,
        "validation_seconds": seconds,
    }
