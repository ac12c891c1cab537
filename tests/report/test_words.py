"""Numbers as people read them."""

from datetime import UTC, datetime

import pytest

from vidprep.report import words


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (12_345_678, "12.3 MB"),
        (999_700_000, "1 GB"),
        (2.5e12, "2,500 GB"),
    ],
)
def test_sizes(num_bytes, text):
    assert words.size(num_bytes) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5 s"), (59.4, "59.4 s"), (200, "3 min 20 s"), (18420, "5 h 7 min")]
)
def test_durations(value, text):
    assert words.seconds(value) == text


def test_shares_counts_and_moments():
    assert words.percent(0.67561, 2) == "67.56 %"
    assert words.percent(None) == words.number(None) == "–"
    assert words.count(168913) == "168,913"
    assert words.moment(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)) == "2026-01-02 03:04 UTC"


def test_any_json_becomes_pairs():
    value = {"a": {"b": 1.23456789, "c": []}, "d": [{"e": True}, [1, None]], "f": list(range(25))}
    assert words.flat(value) == [
        ("a.b", "1.23457"),
        ("a.c", ""),
        ("d 1.e", "yes"),
        ("d 2", "1, –"),
        ("f", ", ".join(map(str, range(20))) + ", … (25 in all)"),
    ]
