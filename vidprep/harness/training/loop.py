"""Train: one loop from the first step to the last."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import torch

from vidprep.errors import HarnessError, HarnessStopped
from vidprep.harness.folder_lock import one_at_a_time
from vidprep.harness.ranks import Ranks
from vidprep.harness.run_folder import FACTS, LOCK, epoch_checkpoints, read_facts, step_checkpoints
from vidprep.harness.training.checkpoints import prune_checkpoints, save_checkpoint
from vidprep.harness.training.loggers.metrics import MetricsLog
from vidprep.harness.training.planning.pace import Pace
from vidprep.harness.training.run_facts import write_facts
from vidprep.harness.training.schedule import learning_rate
from vidprep.harness.training.state import EndForeseen, MetricsWritten, StepDone, TrainEvent, Training
from vidprep.harness.training.step import train_step
from vidprep.harness.training.validation.between_epochs import validate_if_due
from vidprep.load import Batch
from vidprep.stop_signals import StopSignals

OnEvent = Callable[[TrainEvent], object]


def train_to_the_end(
    training: Training, signals: StopSignals, on_event: OnEvent = lambda event: None
) -> Path:
    """Train from where `training` is to the last epoch.

    Args:
        training: Ready for its next step.
        signals: Notes a signal that asks for a stop.
        on_event: Called after each step and each line of metrics.

    Returns:
        The last checkpoint.

    Raises:
        HarnessError: If the loss or a weight is not finite, memory runs out, or another training is at work
            in the folder; saved checkpoints are kept.
        HarnessStopped: If a signal asked for a stop; the position is saved.
        DecodeError: If more videos than allowed do not decode.
    """
    request, ranks, tally = training.request, training.ranks, training.tally
    stage = request.recipe.optimisation
    with training.loader, _recorded(training) as write_line:
        if training.position.total_steps == 0:
            _save(training)
        if _agree(ranks, signals.received is not None, False)[0]:  # asked while all was set up
            raise _stopped(training, signals)
        _validate(training, signals, write_line, on_event)  # if a run was stopped while it did
        last_saved = time.monotonic()
        tally.start_clock()
        pace = Pace(training.position)
        while training.position.epoch < stage.epochs:
            epoch = training.position.epoch
            training.loader.set_epoch(epoch)
            with closing(iter(training.loader)) as batches:
                while training.position.epoch == epoch:
                    lr = _take_step(training, batches)
                    position = training.position
                    on_event(StepDone(position))
                    if end := pace.after_step(position, stage.epochs, on=ranks.device.type):
                        on_event(EndForeseen(end))
                    if position.step % request.log_every == 0:  # the end of an epoch is step 0 of the next
                        tally.settle(ranks)
                        progress = {"step": position.total_steps, "epoch": position.epochs, "lr": lr}
                        line = progress | tally.take_line()
                        write_line(line)
                        on_event(MetricsWritten(line))
                    is_due = time.monotonic() - last_saved > 60 * request.checkpoint_minutes
                    stop, save = _agree(ranks, signals.received is not None, is_due)
                    if stop or save or position.step == 0:
                        tally.settle(ranks)  # no checkpoint without a look at the losses before it
                        _save(training)
                        last_saved = time.monotonic()
                    if stop:
                        raise _stopped(training, signals)
            _validate(training, signals, write_line, on_event)
    return training.position.path(request.run_dir)


def _take_step(training: Training, batches: Iterator[Batch]) -> float:
    """Train on the next batch; return the learning rate that the schedule has there."""
    position = training.position
    lr = learning_rate(training.request.recipe.optimisation, position.total_steps, position.per_epoch)
    for group in training.optimiser.param_groups:
        group["lr"] = lr
    done = train_step(training.net, training.optimiser, batches, training.settings, epoch=position.epoch)
    training.tally.add(done)
    training.position = position.next()
    if training.average is not None:
        training.average.update(training.bare, training.position.total_steps)
    return lr


def _validate(
    training: Training,
    signals: StopSignals,
    write_line: Callable[[dict[str, Any]], None],
    on_event: OnEvent,
) -> None:
    """Validate the network where the recipe asks for it, and it is not done yet."""
    if not validate_if_due(training, lambda: signals.received is not None, write_line, on_event):
        raise _stopped(training, signals)


@contextmanager
def _recorded(training: Training) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Lock the run's folder; yield a function that writes a line of metrics, on the first rank only."""
    if not training.ranks.is_first:
        yield lambda line: None
        return
    run_dir = training.request.run_dir
    with _only_training(run_dir):
        write_facts(training)
        with MetricsLog(
            run_dir,
            training.position.total_steps,
            training.request.loggers,
            name=read_facts(run_dir).get("name"),
            note=read_facts(run_dir).get("note"),
            settings=training.request.recipe.model_dump(mode="json"),
        ) as log:
            yield log.write


def _agree(ranks: Ranks, stop: bool, save: bool) -> tuple[bool, bool]:
    """Return whether to stop (if any rank is asked to) and whether to save (if the first rank wants to)."""
    stops, saves = ranks.sum(torch.tensor([float(stop), float(save and ranks.is_first)])).tolist()
    return stops > 0, saves > 0


def _save(training: Training) -> None:
    """Write a checkpoint, then delete those that are not to be kept."""
    _check_weights(training)
    if not training.ranks.is_first:
        return
    request, position = training.request, training.position
    try:
        save_checkpoint(training.checkpoint(), position, request.run_dir)
    except OSError as error:
        raise HarnessError(
            f"The checkpoint of {position.path(request.run_dir)} could not be written: {error.strerror}. "
            "Earlier ones are kept: free some space, or keep fewer (--keep-last, --keep-every), and --resume."
        ) from error
    prune_checkpoints(request.run_dir, request.keep, position, epochs=request.recipe.optimisation.epochs)


def _check_weights(training: Training) -> None:
    """Refuse to save weights that are not finite: a step can ruin them although its loss was finite."""
    for name, weights in training.bare.state_dict().items():
        if not weights.isfinite().all():
            raise HarnessError(
                f"After {training.position.total_steps} steps {name} holds numbers that are not finite, so "
                "no checkpoint is written. Earlier ones are kept: lower the learning rate "
                "(--set optimisation.lr=...), or train with --precision fp32."
            )


def _stopped(training: Training, signals: StopSignals) -> HarnessStopped:
    name = signals.received.name if signals.received else "a signal of another process"
    path = training.position.path(training.request.run_dir)
    return HarnessStopped(
        f"Stopped by {name} after {training.position.total_steps} steps; saved as {path}. "
        "The same command with --resume goes on from there.",
        signals.received or 15,
    )


def check_run_folder(run_dir: Path, *, resume: bool) -> None:
    """Make sure that a run is not begun over another one.

    Raises:
        HarnessError: If the folder holds something that is not to be continued.
    """
    has_run = bool(epoch_checkpoints(run_dir) or step_checkpoints(run_dir))
    if has_run and not resume:
        raise HarnessError(
            f"{run_dir} holds a run already. Add --resume to go on with it, or choose another --out."
        )
    if run_dir.exists() and not run_dir.is_dir():
        raise HarnessError(f"{run_dir} is a file, and a run is a folder. Choose another --out.")
    if not has_run and not (run_dir / FACTS).exists() and _holds_something(run_dir):
        raise HarnessError(f"{run_dir} is not empty and holds no run. Choose another --out.")


def _holds_something(run_dir: Path) -> bool:
    return run_dir.is_dir() and any(path.name != LOCK for path in run_dir.iterdir())


def _only_training(run_dir: Path) -> AbstractContextManager[None]:
    return one_at_a_time(
        run_dir / LOCK,
        f"Another training is at work in {run_dir}. Wait for it, stop it, or choose another --out.",
    )
