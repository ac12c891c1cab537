"""What happens between two epochs: validation where it is due, and the best checkpoint kept."""

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
    """Validate the network if that is due here and not done yet.

    A run that is stopped in the middle of it repeats it when it goes on.

    Args:
        training: Between two epochs.
        stop_asked: Whether this rank is asked to stop.
        write_line: Writes a line of metrics.jsonl.
        on_event: Called with the line that was written.

    Returns:
        False if a rank was asked to stop meanwhile, else True.
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
    training.tally.start_clock()  # validation is no part of the training's pace
    return True
