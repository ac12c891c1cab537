"""A cheap look at the pictures of a stored video: does it look damaged, although no decoder complained?

A decoder that lost its way in a stream without check sums goes on and paints nonsense: blocks of its coding
grid with straight edges that were not there a frame before; flat grey where it had nothing to paint from, or
green where memory was zero; or it repeats the last picture to the end. Nothing is rejected for its looks.
"""

import av
import numpy as np
import numpy.typing as npt

from vidprep.shards.ledger import SUSPICIONS

Plane = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# In pixels of the stored video: an edge is a step of so many levels between flat sides, along so many rows.
_MIN_STEP = 20
_RUN = 8
# Codecs work in blocks of 8 and multiples of it; below 6 stored pixels positions cannot be told apart.
_BLOCK = 8
_MIN_PERIOD = 6.0
# New edges on the coding grid beyond those that chance puts there: blocks have upright and level ones, a
# thing that moves has often one kind only. Their geometric mean by cells of 8 x 8 pixels, summed over the
# two frames near each other where it is largest, as damage spreads; as a share of new edges of each kind, and
# of all. Chosen on the mutants of seed 0 of benchmarks/mutants.py and its 220 healthy made-up videos, which
# stay below. In a long video of things that turn, two frames far apart come to as much by chance.
_MIN_NEW_EDGES = 0.008
_SPREADS_IN_FRAMES = 8
# In a small picture that share is an edge or two, which an object that jumps makes by chance.
_MIN_NUM_NEW_EDGES = 8
_MIN_SHARE_OF_KIND = 0.3
_MIN_SHARE_OF_ALL = 0.38
_MIN_SIDE = 64
_GREEN_SHARE = 0.05
_GREY_SHARE = 0.15
_FROZEN_SHARE = 0.5
_MIN_FROZEN_FRAMES = 12


class PictureWatcher:
    """Looks at each frame of a stored video for signs of damage.

    Args:
        source_size: Width and height of the source, upright, in its own pixels; (0, 0) if unknown.
    """

    def __init__(self, source_size: tuple[int, int]) -> None:
        self._source_size = source_size
        self._found: dict[str, int] = {}
        self._edges: tuple[Mask, Mask] | None = None
        self._recent_noise: list[tuple[int, float]] = []  # frames, and how much in each
        self._block_noise, self._noise_begins = 0.0, 0
        self._num_cells = 0.0
        self._grey_share: float | None = None
        self._sample: Plane | None = None
        self._last_change = 0
        self._num_frames = 0

    def see(self, number: int, frame: av.VideoFrame) -> None:
        """Look at frame `number`, 0 for the first."""
        planes = [_plane(frame, index) for index in range(3)]
        self._num_frames = number + 1
        self._see_change(number, planes[0], is_key=frame.key_frame)
        self._see_fill(number, planes)
        if min(planes[0].shape) >= _MIN_SIDE and min(self._source_size) > 0:
            self._see_edges(number, planes[0])

    def suspicion(self) -> tuple[str, int]:
        """Return a word of `SUSPICIONS` and the frame where it begins, or "" and 0."""
        still = self._num_frames - 1 - self._last_change
        moved = self._last_change > 0
        enough = max(_MIN_NUM_NEW_EDGES, _MIN_NEW_EDGES * self._num_cells)
        if self._block_noise >= enough:
            self._found.setdefault("block_noise", self._noise_begins)
        if moved and still >= max(_MIN_FROZEN_FRAMES, _FROZEN_SHARE * self._num_frames):
            self._found.setdefault("frozen", self._last_change)
        for word in SUSPICIONS:
            if word in self._found:
                return word, self._found[word]
        return "", 0

    def _see_change(self, number: int, luma: Plane, *, is_key: bool) -> None:

        sample = luma[::4, ::4].copy()
        if self._sample is not None and not is_key and not np.array_equal(sample, self._sample):
            self._last_change = number
        self._sample = sample

    def _see_fill(self, number: int, planes: list[Plane]) -> None:
        luma, blue, red = planes[0][::8, ::8], planes[1][::4, ::4], planes[2][::4, ::4]
        if np.mean((blue < 20) & (red < 20)) > _GREEN_SHARE:
            self._found.setdefault("green_fill", number)
        grey_chroma = (blue >= 127) & (blue <= 129) & (red >= 127) & (red <= 129)
        rows, columns = min(len(luma), len(blue)), min(luma.shape[1], blue.shape[1])
        middle = (luma >= 126) & (luma <= 130)
        share = float(np.mean(middle[:rows, :columns] & grey_chroma[:rows, :columns]))
        before, self._grey_share = self._grey_share, share
        if before is not None and share - before > _GREY_SHARE:
            self._found.setdefault("grey_fill", number)

    def _see_edges(self, number: int, luma: Plane) -> None:
        """Compare this frame's straight edges with those of the frame before."""
        self._num_cells = luma.size / _RUN**2
        sides = (luma, luma.T)
        edges = (_edges(sides[0]), _edges(sides[1]))
        if self._edges is not None:
            new = [now & ~_nearby(before) for now, before in zip(edges, self._edges, strict=True)]
            periods = [
                _BLOCK * side.shape[1] / length for side, length in zip(sides, self._source_size, strict=True)
            ]
            self._add_noise(number, _block_noise(new, periods))
        self._edges = edges

    def _add_noise(self, number: int, amount: float) -> None:
        """Take in the block noise of a frame, and keep the two frames near each other that have most."""
        if not amount:
            return
        near = [each for each in self._recent_noise if number - each[0] <= _SPREADS_IN_FRAMES]
        before, most = max(near, key=lambda each: each[1], default=(number, 0.0))
        if amount + most > self._block_noise:
            self._block_noise, self._noise_begins = amount + most, before
        self._recent_noise = [*near, (number, amount)]


def _plane(frame: av.VideoFrame, index: int) -> Plane:
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    shown: Plane = rows[: plane.height, : plane.width]
    return shown


def _edges(luma: Plane) -> Mask:
    """Return where upright straight edges are: (rows / 8, columns - 7), by every second row."""
    rows = luma[: len(luma) // _RUN * _RUN : 2]
    # One row after another, so that a step is one long loop; what spans two rows is cut off at the end.
    pixels = np.ascontiguousarray(rows).reshape(-1)
    left, right = pixels[2:-5], pixels[5:-2]
    size, slope = _difference(left, right), _difference(pixels[2:], pixels[:-2])
    is_edge, rising = np.zeros(rows.shape, bool), np.zeros(rows.shape, bool)
    place = is_edge.reshape(-1)[:-7]
    np.logical_and(size >= _MIN_STEP, np.maximum(slope[:-5], slope[5:]) <= size >> 2, out=place)
    np.logical_and(place, right > left, out=rising.reshape(-1)[:-7])
    found: Mask = (_in_all_rows(rising) | _in_all_rows(is_edge ^ rising))[:, :-7]
    return found


def _difference(one: Plane, other: Plane) -> Plane:
    # In bytes, as the processor has twice as many of them at a time as of wider numbers.
    return np.maximum(one, other) - np.minimum(one, other)


def _in_all_rows(mask: Mask) -> Mask:
    """Return which columns are true in all rows of a run."""
    runs = mask.reshape(-1, _RUN // 2, mask.shape[1])
    found = runs[:, 0] & runs[:, 1]  # several times as fast as all(axis=1)
    for row in range(2, _RUN // 2):
        found &= runs[:, row]
    return found


def _nearby(edges: Mask) -> Mask:
    """Return where an edge may have come from: a few pixels beside, or in the run above or below."""
    near = edges.copy()
    for distance in (1, 2, 4, 1):  # together 8, more than most things move in a frame
        wider = near.copy()
        wider[:, distance:] |= near[:, :-distance]
        wider[:, :-distance] |= near[:, distance:]
        near = wider
    taller = near.copy()
    taller[1:] |= near[:-1]
    taller[:-1] |= near[1:]
    return taller


def _block_noise(new_edges: list[Mask], periods: list[float]) -> float:
    """Return how many of the new edges of both kinds lie on the coding grid; 0.0 if too few of them do."""
    num_new = [float(np.count_nonzero(edges)) for edges in new_edges]
    if not all(num_new):
        return 0.0
    on_grid = [_beyond_chance(edges, period) for edges, period in zip(new_edges, periods, strict=True)]
    shares = [found / number for found, number in zip(on_grid, num_new, strict=True)]
    if min(shares) < _MIN_SHARE_OF_KIND or sum(on_grid) < _MIN_SHARE_OF_ALL * sum(num_new):
        return 0.0
    return float((on_grid[0] * on_grid[1]) ** 0.5)


def _beyond_chance(edges: Mask, period: float) -> float:
    """Return how many more edges lie on the coding grid than would if they lay anywhere."""
    while period < _MIN_PERIOD:
        period *= 2
    beside = (np.arange(edges.shape[1]) + 4) % period  # column j is about the border left of pixel j + 4
    on_grid = np.minimum(beside, period - beside) <= max(1.0, period / 10)  # an edge answers in three columns
    share = float(on_grid.mean())
    if share in (0.0, 1.0):
        return 0.0
    columns = edges.sum(axis=0)
    return max(0.0, float(columns[on_grid].sum() - columns[~on_grid].sum() * share / (1 - share)))
