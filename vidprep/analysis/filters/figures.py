"""Figures of temporal filters: the sphere with its axes, and the three planes as densities in the unit disc.

Source: Kobayashi & Ye, WACV 2024, supplement, figures A, 1 and B. Every filter u is drawn together with -u.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from vidprep.analysis.filters.measure import Z

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

NAMES = ("average", "1st differential", "2nd differential")
TAPS = ("[1 1 1]/√3", "[-1 0 1]/√2", "[-1 2 -1]/√6")
PLANES = ((0, 1), (1, 2), (0, 2))  # pairs of axes, across and up
COLOURS = "magma_r"  # even steps of lightness, pale for few: reads without colour vision and in grey
ALL = "all layers"
MAX_POINTS = 4000  # on a sphere; more would hide each other
LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
SCALE = PowerNorm(0.5, 0, 1)  # the square root brings out cells with few filters


def density(z: np.ndarray, plane: tuple[int, int], num_cells: int) -> np.ndarray:
    """Return the share of the points z and -z that falls into each cell of the square [-1, 1] x [-1, 1].

    The first index is the vertical axis `plane[1]`, upwards; the second the horizontal axis `plane[0]`.
    """
    both = np.concatenate([z, -z])[:, plane]
    edges = np.linspace(-1, 1, num_cells + 1)
    counts = np.histogram2d(both[:, 1].clip(-1, 1), both[:, 0].clip(-1, 1), bins=(edges, edges))[0]
    return np.asarray(counts / max(len(both), 1))


def stages_figure(table: pd.DataFrame, title: str) -> Figure:
    """Draw the three planes of each stage and of all layers: a row each."""
    groups = _groups(table, "stage")
    figure = Figure(figsize=(7.2, 2.2 * len(groups) + 0.8), layout="constrained")
    grid = figure.subplots(len(groups), 3, squeeze=False)
    for row, (name, z) in zip(grid, groups, strict=True):
        for plane, axes in zip(PLANES, row, strict=True):
            draw_plane(axes, z, plane)
        row[0].set_title(f"{name}: {len(z):,} filters", loc="left", fontsize=9, fontweight="bold")
    _finish(figure, title)
    return figure


def layers_figure(table: pd.DataFrame, plane: tuple[int, int], title: str) -> Figure:
    """Draw one plane of every layer."""
    groups = _groups(table, "layer")[:-1]
    columns = min(6, len(groups))
    rows = math.ceil(len(groups) / columns)
    figure = Figure(figsize=(1.75 * columns + 0.9, 1.95 * rows + 0.8), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (name, z) in zip(grid.flat, groups, strict=False):
        draw_plane(axes, z, plane)
        axes.set_title(name, fontsize=8)
    for axes in grid.flat[len(groups) :]:
        axes.remove()
    _finish(figure, title)
    return figure


def versus_figure(tables: Sequence[pd.DataFrame], names: Sequence[str], title: str) -> Figure:
    """Draw two networks side by side: a row per stage, for each plane one column of either."""
    groups = [dict(_groups(table, "stage")) for table in tables]
    stages = [stage for stage in {**groups[0], **groups[1]} if stage != ALL] + [ALL]
    figure = Figure(figsize=(12.6, 2.2 * len(stages) + 0.8), layout="constrained")
    grid = figure.subplots(len(stages), 6, squeeze=False)
    for row, stage in zip(grid, stages, strict=True):
        for number, axes in enumerate(row):
            which, plane = number % 2, PLANES[number // 2]
            z = groups[which].get(stage, np.zeros((0, 3)))
            draw_plane(axes, z, plane)
            axes.set_title(f"{names[which]}\n{stage}: {len(z):,}", fontsize=8)
    _finish(figure, title)
    return figure


def sphere_figure(table: pd.DataFrame, title: str) -> Figure:
    """Draw the unit sphere with its three axes, and every filter on it (a random sample of very many)."""
    z = table[Z].to_numpy()
    chosen = np.random.default_rng(0).permutation(len(z))[:MAX_POINTS]
    both = np.concatenate([z[chosen], -z[chosen]])
    figure = Figure(figsize=(5.4, 5.6), layout="constrained")
    axes: Axes3D = figure.add_subplot(projection="3d", proj_type="ortho")
    _draw_globe(axes)
    near = both @ _towards_viewer(axes) > 0
    axes.scatter(*both[near].T, s=4, color="#3b0f70", alpha=0.6, linewidths=0)
    axes.scatter(*both[~near].T, s=3, color="#c8c8c8", alpha=0.6, linewidths=0)
    shown = f"{len(chosen):,} of {len(z):,} filters, u and -u; grey: the far side"
    figure.suptitle(f"{title}\n{shown}", fontsize=10)
    return figure


def draw_plane(axes: Axes, z: np.ndarray, plane: tuple[int, int]) -> None:
    """Draw the density of filters in one plane, relative to its fullest cell, and the unit circle."""
    num_cells = int(np.clip(math.sqrt(2 * len(z)) / 2.5, 15, 81)) // 2 * 2 + 1  # odd: 0 is a cell's centre
    share = density(z, plane, num_cells)
    edges = np.linspace(-1, 1, num_cells + 1)
    shown = np.ma.masked_equal(share / (share.max() or 1), 0)
    # Not cut off at the circle: filters without a third coordinate lie on it, in cells that stick out.
    axes.pcolormesh(edges, edges, shown, cmap=COLOURS, norm=SCALE, rasterized=True)
    circle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(circle), np.sin(circle), color="0.3", linewidth=0.8)
    axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xticks=(-1, 0, 1), yticks=(-1, 0, 1), aspect="equal")
    axes.set_xlabel(NAMES[plane[0]], fontsize=8, labelpad=1)
    axes.set_ylabel(NAMES[plane[1]], fontsize=8, labelpad=0)
    axes.tick_params(labelsize=7, length=2)
    axes.grid(color="0.85", linewidth=0.5)
    axes.set_axisbelow(True)


def _groups(table: pd.DataFrame, by: str) -> list[tuple[str, np.ndarray]]:
    """Return name and coordinates of each stage or layer, and of all."""
    groups = [(str(name), rows[Z].to_numpy()) for name, rows in table.groupby(by, observed=False)]
    return [*groups, (ALL, table[Z].to_numpy())]


def _finish(figure: Figure, title: str) -> None:
    mesh = figure.axes[0].collections[0]
    bar = figure.colorbar(mesh, ax=figure.axes, location="right", shrink=0.5, pad=0.02, aspect=30)
    bar.set_label("filters in a cell, relative to the panel's fullest", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)


def _towards_viewer(axes: "Axes3D") -> np.ndarray:
    up, around = np.radians(axes.elev), np.radians(axes.azim)
    return np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])


def _draw_globe(axes: "Axes3D") -> None:
    """Draw circles of the unit sphere and the three axes with their names and taps."""
    axes.view_init(elev=22, azim=35)
    circle = np.linspace(0, 2 * np.pi, 200)
    flat = np.array([np.cos(circle), np.sin(circle), np.zeros_like(circle)])
    for order in ((0, 1, 2), (0, 2, 1), (2, 0, 1)):
        axes.plot(*flat[list(order)], color="0.6", linewidth=0.8)
    across, up = np.linalg.svd(_towards_viewer(axes)[None])[2][1:]
    axes.plot(*(np.outer(across, flat[0]) + np.outer(up, flat[1])), color="0.3", linewidth=1)
    for axis, (name, taps) in enumerate(zip(NAMES, TAPS, strict=True)):
        end = np.eye(3)[axis]
        axes.plot(*np.array([-1.2 * end, 1.2 * end]).T, color="0.1", linewidth=1)
        at = end * (1.9, 1.6, 1.35)[axis]
        axes.text(*at, f"{name}\n{taps}", ha="center", va="center", fontsize=9, bbox=LABEL)
    axes.set_box_aspect((1, 1, 1), zoom=1.0)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    axes.set_axis_off()
