"""What is drawn is what the numbers say."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.helpers.runs.report_material import SCRIPT
from vidprep.report.drawing.charts import Line, histogram, histogram_bins, line_chart, rank_columns
from vidprep.report.drawing.flow import Branch, flow
from vidprep.report.drawing.svg import WIDTH, tick_text, ticks

finite = st.floats(-1e9, 1e9)


def elements(markup, name, css=""):
    return [
        each for each in ET.fromstring(markup).iter(name) if css in each.get("class", "").split() or not css
    ]


def titles(markup):
    return [each.findtext("title") for each in elements(markup, "rect") if each.find("title") is not None]


@given(finite, finite, st.integers(2, 10))
def test_ticks_are_round_evenly_apart_and_inside(low, span, num_steps):
    high = low + abs(span)
    if high - low < 1e-6 * max(1, abs(low)):
        return
    found = ticks(low, high, num_steps)
    assert len(found) <= num_steps + 2
    tolerance = 1e-6 * max(abs(low), abs(high))
    assert all(low - tolerance <= value <= high + tolerance for value in found)
    step = (high - low) / max(1, len(found))
    assert all(math.isclose(b - a, found[1] - found[0], rel_tol=1e-3) for a, b in pairwise(found))
    assert step > 0


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.0, 0.005, "0.000"),
        (0.015, 0.005, "0.015"),
        (2000.0, 1000.0, "2k"),
        (0.0, 1000.0, "0"),
        (1500.0, 500.0, "1,500"),
        (3e6, 1e6, "3M"),
        (2e-5, 1e-5, "2e-5"),
    ],
)
def test_tick_texts(value, step, text):
    assert tick_text(value, step) == text


@example([1.95])  # lies below 39 steps of 0.05, by a rounding error
@example([0.0, 5e-324])  # a span whose logarithm is that of a subnormal number
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_every_value_is_in_a_bin(values):
    bins = histogram_bins({"train": np.array(values)})
    assert bins.counts["train"].sum() == len(values)
    assert bins.edges[0] <= min(values)
    assert bins.num_beyond == sum(value > bins.edges[-1] for value in values)


def test_few_far_values_do_not_stretch_a_histogram():
    values = np.concatenate([np.arange(200.0) % 40, [100_000.0]])
    bins = histogram_bins({"train": values}, whole=True)
    assert bins.edges[-1] <= 42
    assert bins.num_beyond == 1
    assert bins.counts["train"].sum() == 201


def test_a_histogram_stacks_its_series():
    bins = histogram_bins({"train": np.array([1.0, 1, 1, 2]), "validation": np.array([1.0, 4])}, whole=True)
    drawn = histogram(bins, x_label="frames")
    assert titles(drawn) == [
        "1 to 2: 3 train",
        "2 to 3: 1 train",
        "1 to 2: 1 validation",
        "4 to 5: 1 validation",
    ]
    blue, orange = elements(drawn, "rect", "f0")[0], elements(drawn, "rect", "f1")[0]
    assert blue.get("x") == orange.get("x")
    assert float(orange.get("y")) + float(orange.get("height")) == pytest.approx(
        float(blue.get("y")), abs=0.15
    )
    assert float(blue.get("height")) == pytest.approx(3 * float(orange.get("height")), abs=0.4)


def test_columns_by_rank_are_as_high_as_their_values_and_name_their_class():
    drawn = rank_columns(
        [SCRIPT, "b"], {"top-1": np.array([100.0, 25.0])}, x_label="classes", y_label="%", top=100
    )
    high, low = elements(drawn, "rect", "f0")
    assert float(high.get("height")) == pytest.approx(4 * float(low.get("height")), abs=0.3)
    assert titles(drawn)[0] == f"{SCRIPT}: 100"
    assert "<script" not in drawn


def test_lines_pass_through_their_points_and_leave_out_what_is_not_finite():
    lines = [Line("a", 0, [0, 1, 2], [4.0, float("nan"), 0.0]), Line("b", 1, [2], [2.0])]
    drawn = line_chart(lines, x_label="epoch", y_label="loss")
    (line,) = elements(drawn, "polyline")
    (x0, y0), (x2, y2) = ([float(n) for n in p.split(",")] for p in line.get("points").split())
    assert x2 > x0
    assert y2 > y0  # downwards
    (dot,) = elements(drawn, "circle")
    assert float(dot.get("cx")) == x2
    assert float(dot.get("cy")) == pytest.approx((y0 + y2) / 2, abs=0.1)


def test_a_line_of_nothing_finite_is_an_empty_chart():
    assert not elements(line_chart([Line("a", 0, [1], [math.inf])], x_label="x", y_label="y"), "polyline")


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=12).filter(any))
def test_ribbons_are_as_thick_as_their_share_and_texts_do_not_touch(counts):
    branches = [Branch(f"branch {number}", "used", count) for number, count in enumerate(counts)]
    drawn = flow("train", branches)
    bars = elements(drawn, "rect", "used")
    assert len(bars) == sum(count > 0 for count in counts)
    thick = {count: float(bar.get("height")) for count, bar in zip(filter(None, counts), bars, strict=True)}
    for count, height in thick.items():
        assert height == pytest.approx(max(120 * count / sum(counts), 1.5), abs=0.06)
    lines = [float(each.get("y")) for each in elements(drawn, "text")][1:]
    assert all(b - a > 15 for a, b in pairwise(lines))
    height = float(ET.fromstring(drawn).get("viewBox").split()[3])
    assert max(lines) < height


def test_drawings_fit_a_phone():
    drawn = flow("train", [Branch("used", "used", 168_913), Branch("missing", "missing", 1)])
    assert re.search(r'viewBox="0 0 (\d+)', drawn)[1] == str(WIDTH)
