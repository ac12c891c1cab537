"""What a log file gets to see of a training."""

import io

from rich.console import Console

from vidprep.cli.display import TrainProgress
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.state import MetricsWritten, StepDone, TrainStarted

LINE = {"loss": 4.61, "top1": 0.25, "lr": 0.00083, "clips_per_second": 375.9, "data_wait": 0.03}


def said_of(*events):
    log = io.StringIO()
    with TrainProgress(Console(file=log, width=80)) as progress:
        for event in events:
            progress.update(event)
    return log.getvalue().splitlines()


def test_a_line_is_one_line_however_narrow_the_log():
    started = TrainStarted(Position(30, 0, 3806), 45, (), ())
    (line,) = said_of(started, MetricsWritten(LINE), StepDone(Position(30, 10, 3806)))
    assert line.startswith("epoch 31/45, step 10/3806, loss 4.610, top-1 25.0%") and "ETA" in line
    assert len(line) > 80


def test_the_last_line_is_not_said_twice(monkeypatch):
    monkeypatch.setattr("vidprep.live_display._PLAIN_LINE_SECONDS", -1.0)  # a line at once
    ended = StepDone(Position(2, 0, 2))
    *before, last = said_of(TrainStarted(Position(1, 0, 2), 2, (), ()), ended, MetricsWritten(LINE))
    assert last.startswith("epoch 2/2, done") and last not in before


def test_what_is_trained_is_said_first_and_warnings_after_it():
    started = TrainStarted(Position(0, 0, 10), 2, ("Mini-K400: I3D-ResNet-50 [x]",), ("Look at this.",))
    assert said_of(started)[:2] == ["Mini-K400: I3D-ResNet-50 [x]", "Look at this."]


def test_a_training_that_never_started_has_no_last_line():
    assert said_of() == []
