"""Charts: histograms, columns by rank, and lines, each about as wide as a phone's page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from vidprep.report.drawing.svg import WIDTH, Axis, Drawing, nice_step, tick_text, ticks

Floats = npt.NDArray[np.float64]

_LEAST_SPAN = 1e-300
_LEFT, _RIGHT, _TOP, _HEIGHT, _BOTTOM = 50, 8, 12, 150, 34


@dataclass(frozen=True)
class Bins:
    """Equal bins of a histogram.

    Attributes:
        edges: Ends of the bins, one more than there are bins; the last bin includes its end.
        counts: Number of values in each bin, by name of the series.
        num_beyond: Number of values above the last edge; they are counted in the last bin.
    """

    edges: Floats
    counts: dict[str, npt.NDArray[np.int64]]
    num_beyond: int


def histogram_bins(series: Mapping[str, Floats], *, num_bins: int = 28, whole: bool = False) -> Bins:
    """Count values in bins of a round width; a few values far above all others do not stretch the axis.

    Args:
        series: Values by name of the series; at least one value in all.
        num_bins: About how many bins.
        whole: The values are integers: bins are whole numbers wide.
    """
    values = np.concatenate(list(series.values()))
    low, high = float(values.min()), float(values.max())
    usual = float(np.quantile(values, 0.99))
    if high - low > 3 * (usual - low) > 0:
        high = usual
    span = high - low
    # A span so small that a step of it is a subnormal number counts as no span.
    step = nice_step(span if span > _LEAST_SPAN else 1.0, num_bins, whole=whole)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    # A value at an edge may lie beyond it by a rounding error of the product.
    first -= first * step > low
    last += last * step < high
    edges: Floats = np.arange(first, last + 1, dtype=np.float64) * step
    counts = {
        name: np.histogram(np.minimum(each, edges[-1]), edges)[0].astype(np.int64)
        for name, each in series.items()
    }
    return Bins(edges, counts, int((values > edges[-1]).sum()))


def histogram(bins: Bins, *, x_label: str, y_label: str = "videos") -> Markup:
    """Draw stacked columns, one colour per series."""
    totals = sum(bins.counts.values())
    chart = _Frame(
        (float(bins.edges[0]), float(bins.edges[-1])), (0, float(np.max(totals))), (x_label, y_label)
    )
    below = np.zeros(len(bins.edges) - 1)
    for number, (name, counts) in enumerate(bins.counts.items()):
        for at, count in enumerate(counts):
            span = f"{bins.edges[at]:,g} to {bins.edges[at + 1]:,g}"
            chart.column(
                (bins.edges[at], bins.edges[at + 1]),
                (below[at], count),
                f"f{number}",
                f"{span}: {count:,} {name}",
            )
        below += counts
    return chart.drawing.markup()


def rank_columns(
    names: Sequence[str],
    series: Mapping[str, Floats],
    *,
    x_label: str,
    y_label: str,
    top: float | None = None,
) -> Markup:
    """Draw a column per name in the given order, stacked where there are several series.

    Args:
        names: A name for each column, shown when the mouse rests on it.
        series: Heights of the columns, by name of the series.
        x_label: Label of the horizontal axis.
        y_label: Label of the value axis.
        top: End of the value axis; None: the largest column.
    """
    totals = sum(series.values())
    chart = _Frame((0, len(names)), (0, top or float(np.max(totals)) or 1.0), (x_label, y_label))
    below = np.zeros(len(names))
    for number, values in enumerate(series.values()):
        for at, (name, value) in enumerate(zip(names, values, strict=True)):
            chart.column((at, at + 1), (below[at], value), f"f{number}", f"{name}: {value:,.4g}")
        below = below + values
    return chart.drawing.markup()


@dataclass(frozen=True)
class Line:
    """One line of a chart; `series` chooses its colour and dashes, the same in all charts of a page."""

    name: str
    series: int
    x: Sequence[float]
    y: Sequence[float]


def line_chart(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    band: Sequence[tuple[float, float, float]] = (),
) -> Markup:
    """Draw lines over a common axis; y runs from 0, or from the smallest value where that is below.

    Args:
        lines: At least one, each with at least one point; values that are not finite are left out.
        x_label: Label of the common axis.
        y_label: Label of the value axis.
        y_range: Ends of the value axis; None: from the values.
        band: (x, lower, upper) of an interval that is drawn behind the lines; give `y_range`, too.
    """
    points = {
        line.series: [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
        for line in lines
    }
    everywhere = [point for each in points.values() for point in each] or [(0.0, 0.0)]
    right = max(x for x, _ in everywhere) or 1.0
    low, high = y_range or (min(0.0, *(y for _, y in everywhere)), max(y for _, y in everywhere) or 1.0)
    chart = _Frame((0, right), (low, high), (x_label, y_label))
    if band:
        outline = [(x, low) for x, low, _ in band] + [(x, high) for x, _, high in reversed(band)]
        corners = " L".join(f"{chart.x(x):.1f} {chart.y(y):.1f}" for x, y in outline)
        chart.drawing.path(f"M{corners} Z", "band")
    for series, each in points.items():
        if each:
            chart.drawing.polyline([(chart.x(x), chart.y(y)) for x, y in each], f"l l{series}")
    return chart.drawing.markup()


class _Frame:
    """A drawing with both axes, grid and units in place."""

    def __init__(
        self, x_range: tuple[float, float], y_range: tuple[float, float], labels: tuple[str, str]
    ) -> None:
        height = _TOP + _HEIGHT + _BOTTOM
        self.drawing = Drawing(WIDTH, height, f"{labels[1]} over {labels[0]}")
        low, high = y_range if y_range[1] > y_range[0] else (y_range[0], y_range[0] + 1)
        step = nice_step(high - low, 5)
        y_ticks = ticks(low, math.ceil(high / step - 1e-9) * step, 5)  # up to the round value above
        self.x = Axis(*x_range, _LEFT, WIDTH - _RIGHT)
        self.y = Axis(low, y_ticks[-1], _TOP + _HEIGHT, _TOP)
        self._draw_axes(x_range, y_ticks, labels)

    def column(self, across: tuple[float, float], upwards: tuple[float, float], css: str, title: str) -> None:
        """Draw a column over the range `across`, from `upwards[0]` on, `upwards[1]` high."""
        start, size = upwards
        if not size:
            return
        left, right = self.x(across[0]), self.x(across[1])
        gap = 1.0 if right - left > 5 else 0.0  # between narrow columns it would only flicker
        top = self.y(start + size)
        height = max(self.y(start) - top, 1.0)  # so that one video among thousands is seen
        self.drawing.rect(
            left + gap / 2, self.y(start) - height, right - left - gap, height, css, title=title
        )

    def _draw_axes(self, x_range: tuple[float, float], y_ticks: list[float], labels: tuple[str, str]) -> None:
        floor, draw = self.y(self.y.low), self.drawing
        for value in y_ticks:
            place = self.y(value)
            draw.line(_LEFT, place, WIDTH - _RIGHT, place, "grid")
            draw.text(_LEFT - 5, place + 3.5, tick_text(value, _gap(y_ticks)), "tick", anchor="end")
        x_ticks = ticks(*x_range, 6)
        for value in x_ticks:
            draw.line(self.x(value), floor, self.x(value), floor + 3, "axis")
            draw.text(self.x(value), floor + 14, tick_text(value, _gap(x_ticks)), "tick", anchor="middle")
        draw.line(_LEFT, floor, WIDTH - _RIGHT, floor, "axis")
        draw.text((_LEFT + WIDTH - _RIGHT) / 2, floor + 29, labels[0], "label", anchor="middle")
        draw.text_upwards(8, _TOP + _HEIGHT / 2, labels[1], "label")


def _gap(values: list[float]) -> float:
    return values[1] - values[0] if len(values) > 1 else max(abs(values[0]), 1.0)
