"""When a training will end, in words."""

import pytest

from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.planning.pace import foresee_end, format_long

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (42, "42 s"),
        (47 * 3600, "47 h 0 min"),
        (3 * DAY, "3 days"),
        (59 * DAY, "59 days"),
        (152 * DAY, "5 months"),
    ],
)
def test_a_duration_in_the_unit_that_fits(seconds, words):
    assert format_long(seconds) == words


def test_the_end_of_a_short_training():
    said = foresee_end(Position(0, 11, 100), 2, 20.0, on="cpu")
    assert said == "10 steps took 20 s on cpu: the other 189 end in about 6 min 18 s."
    last = foresee_end(Position(1, 4, 5), 2, 20.0, on="cpu")
    assert last == "10 steps took 20 s on cpu: the last one ends in about 2 s."


def test_a_cpu_is_told_that_it_will_not_do():
    said = foresee_end(Position(0, 11, 3402), 35, 1100.0, on="cpu")
    assert "end in about 5 months. This is too long for a CPU: use GPUs" in said
    assert "too long for a CPU" not in foresee_end(Position(0, 11, 3402), 35, 1100.0, on="cuda")
