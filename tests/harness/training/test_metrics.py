"""Lines of metrics on a disk that fills up."""

import pytest

from tests.test_files import no_room_for
from vidprep.harness.run_folder import METRICS, read_metrics
from vidprep.harness.training.metrics import MetricsLog


# TensorBoard writes in a thread of its own, which dies of the same.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_fills_up_costs_the_last_line_and_the_next_start_goes_on(tmp_path):
    line = {"step": 1, "loss": 1.25, "note": 0.0}
    full = pytest.raises(OSError, match="File too large")
    with no_room_for(400), full as caught, MetricsLog(tmp_path, 0) as log:
        for step in range(1, 100):
            log.write(line | {"step": step})
    assert caught.value.filename == str(tmp_path / METRICS)
    written = [found["step"] for found in read_metrics(tmp_path)]
    assert len(written) > 3 and written == list(range(1, len(written) + 1))
    with MetricsLog(tmp_path, 3) as log:
        log.write(line | {"step": 4, "loss": 5.0})
    again = read_metrics(tmp_path)
    assert [found["step"] for found in again] == [1, 2, 3, 4] and again[-1]["loss"] == 5.0
