"""Lines of metrics: TensorBoard's beside our own, and what becomes of them on a disk that fills up."""

import threading

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.test_files import no_room_for
from vidprep.harness.run_folder import METRICS, TENSORBOARD, read_metrics
from vidprep.harness.training.loggers.metrics import MetricsLog


def test_a_disk_that_fills_up_costs_the_last_line_and_the_next_start_goes_on(tmp_path):
    line = {"step": 1, "loss": 1.25, "lr": 0.0}
    full = pytest.raises(OSError, match="File too large")
    threads = threading.active_count()
    with no_room_for(400), full as caught, MetricsLog(tmp_path, 0) as log:
        for step in range(1, 100):
            log.write(line | {"step": step})
    assert threading.active_count() == threads  # nobody is left to meet the full disk later
    assert caught.value.filename == str(tmp_path / METRICS)
    written = [found["step"] for found in read_metrics(tmp_path)]
    assert len(written) > 3 and written == list(range(1, len(written) + 1))
    with MetricsLog(tmp_path, 3) as log:
        log.write(line | {"step": 4, "loss": 5.0})
    again = read_metrics(tmp_path)
    assert [found["step"] for found in again] == [1, 2, 3, 4] and again[-1]["loss"] == 5.0


def test_tensorboard_shows_the_lines_and_forgets_what_is_trained_again(tmp_path):
    with MetricsLog(tmp_path, 0) as log:
        for step in (10, 20, 30):
            log.write({"step": step, "loss": 1.0 / step, "lr": 0.5})
    with MetricsLog(tmp_path, 20) as log:
        log.write({"step": 30, "loss": 7.0, "lr": 0.25})
    assert len(list((tmp_path / TENSORBOARD).iterdir())) == 2
    board = EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    assert board.Tags()["scalars"] == ["loss", "lr"]
    losses = [(event.step, event.value) for event in board.Scalars("loss")]
    assert losses == [(10, pytest.approx(0.1)), (20, pytest.approx(0.05)), (30, 7.0)]
