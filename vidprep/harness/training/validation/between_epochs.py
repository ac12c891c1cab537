"""What happens between two epochs: the network is judged where that is due, and its best moment kept."""

from collections.abc import Callable
from typing import Any

from vidprep.harness.run_folder import read_metrics
from vidprep.harness.training.state import MetricsWritten, TrainEvent, Training
from vidprep.harness.training.validation.best import keep_if_best
from vidprep.harness.training.validation.validate import is_due, validate


def validate_if_due(
    training: Training,
    stop_asked: Callable[[], bool],
    write_line: Callable[[dict[str, Any]], None],
    on_event: Callable[[TrainEvent], object],
) -> bool:
    """Judge the network if that is due here and not done yet; False if a rank is asked to stop meanwhile.

    A run that was stopped while it judged does so when it goes on.
    """
    request, position, ranks = training.request, training.position, training.ranks
    if not is_due(request.recipe.validation, position, request.recipe.optimisation.epochs):
        return True
    done = ranks.is_first and any(
        line["step"] == position.total_steps and "validation_top1" in line
        for line in read_metrics(request.run_dir)
    )
    if ranks.any(done):
        return True
    found = validate(training, stop_asked)
    if found is None:
        return False
    line = {"step": position.total_steps, "epoch": position.epochs} | found
    write_line(line)
    keep_if_best(training, line)
    on_event(MetricsWritten(line))
    training.tally.start_clock()  # judging is no part of the training's pace
    return True
