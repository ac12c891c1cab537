"""McNemar and the paired bootstrap against scipy, and against drawing video by video."""

import numpy as np
import pytest

from vidprep.harness.evaluation.pairing import class_differences, mcnemar, paired_difference

stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 14), (40, 22), (600, 520), (3000, 2800)])
def test_mcnemar_is_the_exact_binomial_test(b, c):
    expected = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(b, c) == mcnemar(c, b)


def answers(seed, num=400, accuracy=(0.6, 0.5)):
    random = np.random.default_rng(seed)
    return random.random(num) < accuracy[0], random.random(num) < accuracy[1]


def test_the_interval_is_that_of_a_bootstrap_over_videos():
    first, second = answers(0)
    found = paired_difference(first, second)
    differences = first.astype(int) - second.astype(int)
    expected = stats.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.interval == pytest.approx(tuple(expected), abs=0.006)
    assert found.interval[0] < found.difference < found.interval[1]


def test_counts_and_shares():
    first = np.array([1, 1, 1, 0, 0], bool)
    second = np.array([1, 0, 0, 0, 1], bool)
    found = paired_difference(first, second)
    assert (found.only_first, found.only_second, found.num_videos) == (2, 1, 5)
    assert (found.first, found.second) == (0.6, 0.4)
    assert found == paired_difference(first, second)  # no randomness but the seed's


def test_equal_networks_differ_by_nothing():
    first, _ = answers(2)
    found = paired_difference(first, first)
    assert (found.p_value, found.interval) == (1.0, (0.0, 0.0))


def test_classes_with_the_greatest_difference_come_first():
    rows = class_differences(
        np.array([1, 1, 0, 1], bool), np.array([1, 1, 1, 0], bool), np.array([0, 0, 1, 2])
    )
    assert [row["label"] for row in rows] == [1, 2, 0]
    assert rows[2] == {"label": 0, "num_videos": 2, "first": 1.0, "second": 1.0}


def test_other_numbers_of_videos_are_refused():
    with pytest.raises(ValueError, match="same videos, got 3 and 2"):
        paired_difference(np.ones(3, bool), np.ones(2, bool))


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (3, 9), (9, 3), (40, 40), (130, 90)])
def test_mcnemar_is_that_of_statsmodels(only_first, only_second):
    tables = pytest.importorskip(
        "statsmodels.stats.contingency_tables", reason="statsmodels is not installed"
    )
    expected = tables.mcnemar([[100, only_first], [only_second, 50]], exact=True).pvalue
    assert mcnemar(only_first, only_second) == pytest.approx(min(1.0, expected))
