"""How classes, lengths and sizes are spread over the videos of a shard set."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from vidprep.report.drawing.charts import Floats, histogram, histogram_bins, rank_columns

_FEW = 8  # up to this many different values are listed, more are counted in bins


@dataclass(frozen=True)
class Bar:
    """A line of a table of bars; `parts` are shares of the full width, 0 to 1."""

    name: str
    parts: list[float]
    text: str


@dataclass(frozen=True)
class Spread:
    """How one quantity is spread over the videos: as a histogram, or as bars where there are few values."""

    title: str
    summary: str
    chart: Markup | None
    bars: list[Bar]


def _class_counts(index: pa.Table, splits: list[str]) -> list[tuple[str, list[int]]]:
    """Return each class that has videos, with those of each split, the largest class first."""
    counts = Counter(zip(index["class"].to_pylist(), index["split"].to_pylist(), strict=True))
    names = pc.unique(index["class"]).to_pylist()
    rows = [(name, [counts[name, split] for split in splits]) for name in names]
    return sorted(rows, key=lambda row: (-sum(row[1]), row[0]))


def class_bars(index: pa.Table, splits: list[str]) -> list[Bar]:
    """Return a bar per class that has videos, a part per split."""
    rows = _class_counts(index, splits)
    most = max((sum(each) for _, each in rows), default=0) or 1
    return [Bar(name, [n / most for n in each], " + ".join(f"{n:,}" for n in each)) for name, each in rows]


def class_chart(index: pa.Table, splits: list[str]) -> Markup:
    """Draw a column per class that has videos, without names."""
    rows = _class_counts(index, splits)
    series = {split: np.array([each[at] for _, each in rows], float) for at, split in enumerate(splits)}
    return rank_columns(
        [name for name, _ in rows], series, x_label="classes, largest first", y_label="videos"
    )


def spreads_of(index: pa.Table, splits: list[str]) -> list[Spread]:
    """Return the spreads of length, rate, frame size and bytes over the videos of an index, at least one."""
    parts = {split: index.filter(pc.equal(index["split"], split)) for split in splits}

    def column(name: str, factor: float = 1.0) -> dict[str, Floats]:
        return {split: part[name].to_numpy().astype(float) * factor for split, part in parts.items()}

    sizes = {
        split: [
            f"{w} × {h}" for w, h in zip(part["width"].to_pylist(), part["height"].to_pylist(), strict=True)
        ]
        for split, part in parts.items()
    }
    return [
        _spread("Frames", "frames", column("num_frames"), whole=True),
        _spread("Duration", "s", column("duration_seconds")),
        _spread("Frame rate", "fps", column("fps")),
        _common("Frame size", "pixels", sizes),
        _spread("Stored size", "kB", column("mp4_size", 1e-3)),
    ]


def _spread(title: str, unit: str, series: dict[str, Floats], *, whole: bool = False) -> Spread:
    values = np.concatenate(list(series.values()))
    if len(np.unique(values)) <= _FEW:
        texts = {split: [f"{value:.4g}" for value in each] for split, each in series.items()}
        return _common(title, unit, texts)
    bins = histogram_bins(series, whole=whole)
    summary = (
        f"median {_brief(np.median(values))} {unit}, from {_brief(values.min())} to {_brief(values.max())}"
    )
    if bins.num_beyond:
        summary += f"; the last column also holds the {bins.num_beyond:,} above {bins.edges[-1]:,g}"
    return Spread(title, summary, histogram(bins, x_label=unit), [])


def _brief(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _common(title: str, unit: str, series: dict[str, list[str]]) -> Spread:
    """Count few or unordered values: a bar for each of the most frequent, one for all others."""
    counts = {split: Counter(values) for split, values in series.items()}
    total = sum((Counter(each) for each in counts.values()), Counter[str]())
    shown = [value for value, _ in total.most_common(_FEW)]
    rows = [(value, [each[value] for each in counts.values()]) for value in shown]
    if len(total) > _FEW:
        others = [sum(each.values()) - sum(each[value] for value in shown) for each in counts.values()]
        rows.append((f"{len(total) - _FEW:,} others", others))
    most = max(sum(each) for _, each in rows)
    bars = [Bar(value, [n / most for n in each], f"{sum(each):,}") for value, each in rows]
    kinds = "one value" if len(total) == 1 else f"{len(total):,} values"
    return Spread(title, f"{kinds}, in {unit}", None, bars)
