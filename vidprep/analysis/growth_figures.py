"""Figures over the epochs of a training: temporal filters, and the extent of receptive fields in time.

Both are as wide as a column of a paper (3.3 inches), and work with a single checkpoint, too.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vidprep.analysis.filters.figures import NAMES
from vidprep.analysis.filters.measure import AXES

COLUMN_INCHES = 3.3
# Okabe & Ito's palette; marker and dashes tell the lines apart without colour.
LINES = (("#0072b2", "-", "o"), ("#d55e00", "--", "s"), ("#009e73", "-.", "^"))
RANDOM = 1 / 3  # mean squared coordinate of filters of random direction


def filter_growth_figure(rows: pd.DataFrame, title: str) -> Figure:
    """Draw the mean squared coordinates over epochs: a panel for all layers, and one for each stage.

    Args:
        rows: Rows of all epochs, from `filters.growth.growth_rows`.
        title: Title of the figure.
    """
    parts = rows[rows["part"] != "layer"]
    names = list(dict.fromkeys(parts["name"]))
    num_rows = math.ceil(len(names) / 2)
    figure = Figure(figsize=(COLUMN_INCHES, 1.15 * num_rows + 0.95), layout="constrained")
    grid = figure.subplots(num_rows, 2, sharex=True, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        _draw_shares(axes, parts[parts["name"] == name])
        axes.set_title(name, fontsize=8, pad=3)
    for axes in grid.flat[len(names) :]:
        axes.remove()
    for axes in grid.flat[max(0, len(names) - 2) : len(names)]:  # the lowest of each column
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelbottom=True)
    figure.supylabel("mean squared coordinate", fontsize=8)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=7)
    figure.suptitle(title, fontsize=8)
    return figure


def erf_growth_figure(epochs: Sequence[int], facts: Sequence[dict[str, Any]], title: str) -> Figure:
    """Draw the energy of each frame over epochs, and below it sigma and the frames above the threshold.

    Args:
        epochs: Numbers of the epochs, ascending.
        facts: Numbers of each epoch, from `summarise_erf`.
        title: Title of the figure.
    """
    figure = Figure(figsize=(COLUMN_INCHES, 4.6), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(2.2, 1, 1))
    _draw_profiles(top, epochs, facts)
    curves = {"sigma (frames)": "sigma_frames", "frames above\n4.55 % of peak": "frames_above"}
    for axes, (name, key), (colour, style, marker) in zip(
        (middle, bottom), curves.items(), LINES, strict=False
    ):
        values = [each[key] for each in facts]
        axes.plot(epochs, values, style, color=colour, marker=marker, markersize=3)
        axes.set_ylabel(name, fontsize=8)
        axes.set_ylim(0, 1.1 * max(values) or 1)
        _finish(axes, epochs)
    bottom.set_xlabel("epoch", fontsize=8)
    figure.align_ylabels()
    figure.suptitle(title, fontsize=8)
    return figure


def _draw_shares(axes: Axes, rows: pd.DataFrame) -> None:
    axes.axhline(RANDOM, color="0.5", linewidth=0.8, linestyle=":", label="random filters")
    for axis, name, (colour, style, marker) in zip(AXES, NAMES, LINES, strict=True):
        if (share := rows.get(f"mean_squared_{axis}")) is None:
            continue  # every filter of every epoch is zero
        axes.plot(
            rows["epoch"], share, style, color=colour, marker=marker, markersize=2.2, linewidth=1, label=name
        )
    axes.set_ylim(-0.03, 1.03)
    _finish(axes, rows["epoch"].tolist())


def _draw_profiles(axes: Axes, epochs: Sequence[int], facts: Sequence[dict[str, Any]]) -> None:
    """Draw a column of colour for each checkpoint; columns meet in the middle between two epochs."""
    profiles = 100 * np.array([each["energy_per_frame"] for each in facts]).T
    edges = cell_edges(epochs)
    frames = np.arange(len(profiles) + 1) - 0.5
    mesh = axes.pcolormesh(edges, frames, profiles, cmap="magma", norm=PowerNorm(0.5, 0), rasterized=True)
    extents = np.array([each["extent_frames"] for each in facts])
    for bound, label in zip(extents.T, ("mean ± 2 sigma", None), strict=True):
        axes.plot(epochs, bound, color="cyan", linewidth=1, marker="o", markersize=2, label=label)
    axes.set_ylim(frames[0], frames[-1])
    axes.set_ylabel("frame", fontsize=8)
    axes.legend(fontsize=7, loc="upper left", framealpha=0.9)
    _finish(axes, epochs)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label("share of energy (%)", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def cell_edges(epochs: Sequence[int]) -> np.ndarray:
    """Return the edges of the columns of epochs, in the middle between neighbours.

    [0, 5, 20] -> [-2.5, 2.5, 12.5, 27.5]; the column of a single epoch has width 1.
    """
    if len(epochs) == 1:
        return np.array([epochs[0] - 0.5, epochs[0] + 0.5])
    middles = (np.array(epochs[1:]) + epochs[:-1]) / 2
    return np.array([2 * epochs[0] - middles[0], *middles, 2 * epochs[-1] - middles[-1]])


def _finish(axes: Axes, epochs: Sequence[int]) -> None:
    axes.tick_params(labelsize=7, length=2)
    edges = cell_edges(epochs)
    axes.set_xlim(edges[0], edges[-1])
    if len(epochs) < 5:  # a locator would make halves of epochs
        axes.set_xticks(epochs)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if not axes.collections:  # a grid would hide in the colours
        axes.grid(color="0.9", linewidth=0.5)
        axes.set_axisbelow(True)
