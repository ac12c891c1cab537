"""Straight edges of frames, several at a time: where they are, which are new, which are on a coding grid."""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

# An edge, in pixels of the stored video, is a step of at least so many levels between flat sides, along so
# many rows.
_MIN_STEP = 20
RUN = 8
# An edge is found by four pixels across it: 0 and 2 on one side, 5 and 7 on the other.
_PIXELS = (0, 2, 5, 7)
# Pixels: an edge that was at most this far away in the frame before has moved, and is not new.
_REACH = 8
# Below 6 stored pixels positions on the coding grid cannot be told apart.
_MIN_PERIOD = 6.0
# Shares of the new edges, of each kind and of all, that must lie on the grid beyond chance.
_MIN_SHARE_OF_KIND = 0.3
_MIN_SHARE_OF_ALL = 0.38


class Edges(NamedTuple):
    """Straight edges in frames: upright (vertical) ones, 8 rows long, or level (horizontal) ones, 8 columns.

    Attributes:
        frames: The frame of each edge, in rising order.
        runs: Which 8 rows each edge lies in (columns, if it is level).
        places: The column of each edge (row, if it is level): that of its first pixel, see `_PIXELS`.
        shape: How many frames, runs and places there are.
    """

    frames: Indices
    runs: Indices
    places: Indices
    shape: tuple[int, int, int]

    def last_frame(self) -> "Edges":
        """Return the edges of the last frame."""
        last = self.frames == self.shape[0] - 1
        return Edges(
            np.zeros_like(self.frames[last]), self.runs[last], self.places[last], (1, *self.shape[1:])
        )

    def new_ones(self, before: "Edges | None") -> list[Indices]:
        """Return, frame by frame, the places of edges that were nowhere near an edge in the frame before.

        Args:
            before: The edges of the frame before the first; None: there is none, or they are not known.
        """
        near = _nearby(self, before)
        is_new = ~near[self.frames, self.runs + 1, self.places + _REACH]
        ends = np.cumsum(np.bincount(self.frames[is_new], minlength=self.shape[0]))
        return np.split(self.places[is_new], ends[:-1])


def find_edges(luma: Plane, *, level: bool = False) -> Edges:
    """Return the straight edges of frames, by every second row (column) of a run.

    The first row of each run rules nearly all places out; only what is left is looked at in the others.

    Args:
        luma: (frames, height, width), in one piece.
        level: Whether to look for level edges instead of upright ones.
    """
    num_frames, height, width = luma.shape
    if level:
        first, across, along = luma[:, :, : width // RUN * RUN : RUN], width, 1
        step, shape = first.shape[2], (num_frames, first.shape[2], height - _PIXELS[-1])
    else:
        first, across, along = luma[:, : height // RUN * RUN : RUN], 1, width
        step, shape = 1, (num_frames, first.shape[1], width - _PIXELS[-1])
    # One row after another, so that a step is one long loop; what spans two rows is cut off below.
    line = np.ascontiguousarray(first).reshape(-1)
    size = len(line) - _PIXELS[-1] * step
    is_edge, rising = _steps(*(line[step * pixel : step * pixel + size] for pixel in _PIXELS))
    found = np.flatnonzero(is_edge)
    frames, *inner = np.unravel_index(found, first.shape)
    places, runs = inner if level else inner[::-1]
    inside = places < shape[2]
    frames, runs, places, rising = frames[inside], runs[inside], places[inside], rising[found[inside]]
    where = height * width * frames + RUN * along * runs + across * places
    others = 2 * along * np.arange(1, RUN // 2)[:, None]
    pixels = luma.reshape(-1)
    is_edge, also_rising = _steps(*(pixels[where + (others + across * pixel)] for pixel in _PIXELS))
    stays = (is_edge & (also_rising == rising)).all(axis=0)
    return Edges(frames[stays], runs[stays], places[stays], shape)


def _steps(far_left: Plane, left: Plane, right: Plane, far_right: Plane) -> tuple[Mask, Mask]:
    """Return where a step lies between two flat sides, and where it rises."""
    size = _difference(left, right)
    sides = np.maximum(_difference(left, far_left), _difference(far_right, right))
    return (size >= _MIN_STEP) & (sides <= size >> 2), right > left


def _difference(one: Plane, other: Plane) -> Plane:
    # In bytes, as the processor has twice as many of them at a time as of wider numbers.
    return np.maximum(one, other) - np.minimum(one, other)


def _nearby(edges: Edges, before: Edges | None) -> Mask:
    """Return where an edge of each frame may have come from: a few pixels beside, or a run above or below.

    The masks are larger than a frame by a run and by `_REACH` places on all sides.
    """
    num_frames, num_runs, num_places = edges.shape
    near = np.zeros((num_frames, num_runs + 2, num_places + 2 * _REACH), bool)
    goes_on = edges.frames < num_frames - 1
    near[edges.frames[goes_on] + 1, edges.runs[goes_on] + 1, edges.places[goes_on] + _REACH] = True
    if before is not None:
        near[0, before.runs + 1, before.places + _REACH] = True
    line = near.reshape(-1)  # one long loop: nothing reaches beyond the margins, so rows do not meet
    for distance in (1, 2, 4, 1):  # together _REACH, more than most things move in a frame
        wider = line.copy()
        wider[distance:] |= line[:-distance]
        wider[:-distance] |= line[distance:]
        line = wider
    wide = line.reshape(near.shape)
    taller = wide.copy()
    taller[:, 1:] |= wide[:, :-1]
    taller[:, :-1] |= wide[:, 1:]
    return taller


class Grid(NamedTuple):
    """Which places of edges lie on the coding grid, and which share of all places that is."""

    is_on: Mask
    share: float


@functools.lru_cache(maxsize=64)
def coding_grid(side: int, period: float) -> Grid:
    """Return the grid on a side of `side` pixels with a border every `period` pixels."""
    while period < _MIN_PERIOD:
        period *= 2
    beside = (np.arange(side - _PIXELS[-1]) + 4) % period  # place j is about the border left of pixel j + 4
    is_on = np.minimum(beside, period - beside) <= max(1.0, period / 10)  # an edge is found at three places
    return Grid(is_on, float(is_on.mean()))


def block_noise(new_edges: list[Indices], grids: list[Grid]) -> float:
    """Return how many of a frame's new edges of both kinds lie on the coding grid; 0.0 if too few of them do.

    Args:
        new_edges: Places of upright and of level ones.
        grids: Of the columns, and of the rows.
    """
    num_new = [len(places) for places in new_edges]
    if not all(num_new):
        return 0.0
    on_grid = [_beyond_chance(places, grid) for places, grid in zip(new_edges, grids, strict=True)]
    shares = [found / number for found, number in zip(on_grid, num_new, strict=True)]
    if min(shares) < _MIN_SHARE_OF_KIND or sum(on_grid) < _MIN_SHARE_OF_ALL * sum(num_new):
        return 0.0
    return float((on_grid[0] * on_grid[1]) ** 0.5)


def _beyond_chance(places: Indices, grid: Grid) -> float:
    """Return how many more edges lie on the coding grid than would if they lay anywhere."""
    if grid.share in (0.0, 1.0):
        return 0.0
    num_on = np.count_nonzero(grid.is_on[places])
    return max(0.0, float(num_on - (len(places) - num_on) * grid.share / (1 - grid.share)))
