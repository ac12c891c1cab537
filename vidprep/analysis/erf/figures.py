"""Figures of effective receptive fields: profile in time, map in space, frames, and a slice through time.

The theoretical receptive field and its centre are drawn with them, as far as they lie inside the clip.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vidprep.analysis.erf.measure import Neuron
from vidprep.analysis.erf.summary import THRESHOLD, frame_maps, slice_tx, spatial_map, time_profile
from vidprep.model.receptive_field import Field

COLOURS = "magma"
SCALE = PowerNorm(0.5, 0, 1)  # the square root shows the faint surroundings
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe & Ito's palette
STYLES = ("-", "--", "-.", ":")


def time_figure(fields: Mapping[str, np.ndarray], theory: Field, neuron: Neuron) -> Figure:
    """Draw the energy of each frame, a line per network.

    Args:
        fields: Effective receptive fields (3, T, H, W) by name of the network, here and below.
        theory: The theoretical receptive field of the last feature map.
        neuron: (t, h, w) of the neuron that was measured.
    """
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    start, end = theory[0].interval(neuron[0])
    label = f"theoretical field, {start} to {end}"
    axes.axvspan(start - 0.5, end + 0.5, color="#e3eef6", zorder=0, label=label)
    axes.axvline(theory[0].centre(neuron[0]), color="0.4", linewidth=0.8, label="its centre")
    for number, (name, erf) in enumerate(fields.items()):
        colour, style = LINES[number % len(LINES)], STYLES[number % len(STYLES)]
        axes.plot(100 * time_profile(erf), style, color=colour, marker="o", markersize=3, label=name)
    num_frames = next(iter(fields.values())).shape[1]
    axes.set(xlim=(-0.5, num_frames - 0.5), ylim=(0, None), xlabel="frame", ylabel="share of energy (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(fontsize=8, framealpha=1)
    return figure


def space_figure(fields: Mapping[str, np.ndarray], theory: Field, neuron: Neuron) -> Figure:
    """Draw where in the frame the neuron looks: a panel per network, with a contour at 4.55 % of the peak."""
    figure, panels = _panels(len(fields), width=4.0, height=4.7)
    for axes, (name, erf) in zip(panels, fields.items(), strict=True):
        shown = spatial_map(erf)
        axes.imshow(shown, cmap=COLOURS, norm=SCALE)
        _outline(axes, shown, theory[2].interval(neuron[2]), theory[1].interval(neuron[1]))
        _cross(axes, theory[2].centre(neuron[2]), theory[1].centre(neuron[1]))
        axes.set(xlabel="x (pixels)", ylabel="y (pixels)")
        axes.set_title(name, fontsize=9)
    _scale_bar(figure)
    figure.suptitle(_caption(theory, neuron), fontsize=8)
    return figure


def slice_figure(fields: Mapping[str, np.ndarray], theory: Field, neuron: Neuron) -> Figure:
    """Draw time against x, rows summed: a panel per network."""
    figure, panels = _panels(len(fields), width=4.6, height=3.2)
    for axes, (name, erf) in zip(panels, fields.items(), strict=True):
        shown = slice_tx(erf)
        axes.imshow(shown, cmap=COLOURS, norm=SCALE, aspect="auto", interpolation="nearest")
        _outline(axes, shown, theory[2].interval(neuron[2]), theory[0].interval(neuron[0]))
        _cross(axes, theory[2].centre(neuron[2]), theory[0].centre(neuron[0]))
        axes.set(xlabel="x (pixels)", ylabel="frame")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))  # frames are whole numbers
        axes.set_title(name, fontsize=9)
    _scale_bar(figure)
    figure.suptitle(_caption(theory, neuron), fontsize=8)
    return figure


def frames_figure(name: str, erf: np.ndarray, theory: Field, neuron: Neuron) -> Figure:
    """Draw every frame on one scale."""
    maps = frame_maps(erf)
    columns = min(8, len(maps))
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(1.15 * columns + 0.9, 1.32 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for frame, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if frame < len(maps):
            axes.imshow(maps[frame], cmap=COLOURS, norm=SCALE)
            _cross(axes, theory[2].centre(neuron[2]), theory[1].centre(neuron[1]), size=4)
            axes.set_title(f"frame {frame}", fontsize=8)
    _scale_bar(figure)
    figure.suptitle(name, fontsize=10)
    return figure


def _panels(count: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * count + 0.8, height), layout="compressed")
    return figure, list(figure.subplots(1, count, squeeze=False).flat)


def _caption(theory: Field, neuron: Neuron) -> str:
    t, y, x = (axis.interval(index) for axis, index in zip(theory, neuron, strict=True))
    return (
        "white: 4.55 % of the peak\n"
        "cyan: the theoretical field's centre, and its edges where they show\n"
        f"(frames {t[0]} to {t[1]}, rows {y[0]} to {y[1]}, columns {x[0]} to {x[1]})"
    )


def _outline(axes: Axes, shown: np.ndarray, across: tuple[int, int], down: tuple[int, int]) -> None:
    """Draw the contour at the threshold, and the edges of the theoretical field that lie inside."""
    if min(shown.shape) > 1:  # a single frame has no contour
        axes.contour(shown, levels=[THRESHOLD], colors="white", linewidths=0.8)
    height, width = shown.shape
    for edge in (across[0] - 0.5, across[1] + 0.5):
        if -0.5 < edge < width - 0.5:
            axes.axvline(edge, color="cyan", linewidth=1, linestyle="--")
    for edge in (down[0] - 0.5, down[1] + 0.5):
        if -0.5 < edge < height - 0.5:
            axes.axhline(edge, color="cyan", linewidth=1, linestyle="--")


def _cross(axes: Axes, x: float, y: float, size: float = 9) -> None:
    """Mark the centre of the theoretical field."""
    axes.plot(x, y, "+", color="cyan", markersize=size, markeredgewidth=1)


def _scale_bar(figure: Figure) -> None:
    panels = [axes for axes in figure.axes if axes.images]
    bar = figure.colorbar(panels[0].images[0], ax=panels, pad=0.02, shrink=0.9)
    bar.set_label("amplitude, relative to the peak", fontsize=8)
    bar.ax.tick_params(labelsize=7)
