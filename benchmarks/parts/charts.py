"""A chart for each table, and how a spread is written."""

import statistics


def spread(values, form="{:.2f}"):
    """Return the median, and in parentheses the least and the greatest value."""
    median, least, greatest = (
        form.format(one) for one in (statistics.median(values), min(values), max(values))
    )
    return f"{median} ({least} to {greatest})"


def bar_chart(bars, label, path):
    """Draw a bar for each median, with a line from the least to the greatest value.

    Args:
        bars: Values of each bar, by its name.
        label: Label of the axis, with its unit.
        path: Path of the PNG.
    """
    from matplotlib.figure import Figure  # without pyplot: no window, nothing global

    figure = Figure(figsize=(7, 0.6 + 0.45 * len(bars)), layout="constrained")
    axes = figure.subplots()
    names = list(bars)[::-1]
    medians = [statistics.median(bars[name]) for name in names]
    below = [median - min(bars[name]) for name, median in zip(names, medians, strict=True)]
    above = [max(bars[name]) - median for name, median in zip(names, medians, strict=True)]
    axes.barh(names, medians, xerr=[below, above], color="#4c72b0", ecolor="#333333", capsize=3)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
