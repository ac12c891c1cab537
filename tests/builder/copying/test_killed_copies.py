"""`kill -9` of extend, subset and merge: `python -m benchmarks.faults` does it more often."""

import pytest

from benchmarks.faults.interrupted_copies import WORKS, Copies, try_work


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    return Copies(tmp_path_factory.mktemp("copies"))


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS)
def test_killed_at_random_moments_it_ends_in_the_same_bytes(copies, work):
    outcome = try_work(copies, work, tries=3, seed=1)
    assert outcome.is_good and outcome.tries == 3, outcome
