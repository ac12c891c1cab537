"""What a log file gets to see of a training."""

import io

from rich.console import Console

from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.progress import TrainProgress

LINE = {"loss": 4.61, "top1": 0.25, "lr": 0.00083, "clips_per_second": 375.9, "data_wait": 0.03}


def test_a_line_is_one_line_however_narrow_the_log():
    log = io.StringIO()
    with TrainProgress(Position(30, 0, 3806), 45, Console(file=log, width=80)) as progress:
        progress.metrics(LINE)
        progress.step(Position(30, 10, 3806))
    (line,) = log.getvalue().splitlines()
    assert line.startswith("epoch 31/45, step 10/3806, loss 4.610, top-1 25.0%") and "ETA" in line
    assert len(line) > 80
