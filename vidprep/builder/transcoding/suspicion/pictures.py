"""A cheap look at the pictures of a stored video: does it look damaged, although no decoder complained?

A decoder that lost its way in a stream without check sums goes on and paints nonsense: blocks of its coding
grid with straight edges that were not there a frame before; flat grey where it had nothing to paint from, or
green where memory was zero; or it repeats the last picture to the end. Nothing is rejected for its looks.
"""

from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt

from vidprep.builder.transcoding.suspicion.straight_edges import (
    RUN,
    Edges,
    block_noise,
    coding_grid,
    find_edges,
)
from vidprep.shards.ledger import SUSPICIONS

Plane = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# Frames that are looked at together: a call of numpy costs about as much as its work on one small frame.
_FRAMES_AT_ONCE = 8

# Codecs work in blocks of 8 and multiples of it.
_BLOCK = 8
# New edges on the coding grid beyond those that chance puts there: blocks have upright and level ones, a
# thing that moves has often one kind only. Their geometric mean by cells of 8 x 8 pixels, summed over the
# two frames near each other where it is largest, as damage spreads. Chosen on the mutants of seed 0 of
# benchmarks/mutants.py and its 220 healthy made-up videos, which stay below. In a long video of things that
# turn, two frames far apart come to as much by chance.
_MIN_NEW_EDGES = 0.008
_SPREADS_IN_FRAMES = 8
# In a small picture that share is an edge or two, which an object that jumps makes by chance.
_MIN_NUM_NEW_EDGES = 8
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
        self._waiting: list[_Picture] = []
        self._edges: tuple[Edges, Edges] | None = None  # of the last frame
        self._recent_noise: list[tuple[int, float]] = []  # frames, and how much in each
        self._block_noise, self._noise_begins = 0.0, 0
        self._num_cells = 0.0
        self._grey_share: float | None = None
        self._luma = np.empty((0, 0, 0), np.uint8)
        self._chroma = np.empty((2, 0, 0, 0), np.uint8)
        self._sample: Plane | None = None  # of the last frame
        self._last_change = 0
        self._num_frames = 0

    def see(self, number: int, frame: av.VideoFrame) -> None:
        """Look at frame `number`, 0 for the first."""
        luma, blue, red = (_plane(frame, index) for index in range(3))
        if self._luma.shape[1:] != luma.shape:
            self._begin(luma.shape, blue[::4, ::4].shape)
        place = len(self._waiting)
        self._luma[place] = luma
        self._chroma[:, place] = blue[::4, ::4], red[::4, ::4]
        self._waiting.append(_Picture(number, bool(frame.key_frame)))
        self._num_frames = number + 1
        if len(self._waiting) == _FRAMES_AT_ONCE:
            self._look()

    def suspicion(self) -> tuple[str, int]:
        """Return a word of `SUSPICIONS` and the frame where it begins, or "" and 0."""
        self._look()
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

    def _begin(self, luma_shape: tuple[int, ...], chroma_shape: tuple[int, ...]) -> None:
        """Make room for pictures of another size than those before."""
        self._look()
        self._luma = np.empty((_FRAMES_AT_ONCE, *luma_shape), np.uint8)
        self._chroma = np.empty((2, _FRAMES_AT_ONCE, *chroma_shape), np.uint8)
        self._sample = self._edges = None

    def _look(self) -> None:
        """Look at the pictures that wait."""
        if not self._waiting:
            return
        pictures, self._waiting = self._waiting, []
        luma = self._luma[: len(pictures)]
        self._see_change(pictures, luma[:, ::4, ::4])
        self._see_fill(pictures, luma[:, ::8, ::8], self._chroma[:, : len(pictures)])
        if min(luma.shape[1:]) >= _MIN_SIDE and min(self._source_size) > 0:
            self._see_edges(pictures, luma)

    def _see_change(self, pictures: list["_Picture"], samples: Plane) -> None:
        """Find the last of the pictures that is another than the one before it."""
        befores = [self._sample, *samples[:-1]]
        self._sample = samples[-1].copy()
        for picture, before, now in reversed(list(zip(pictures, befores, samples, strict=True))):
            if before is not None and not picture.is_key and not np.array_equal(now, before):
                self._last_change = picture.number
                return

    def _see_fill(self, pictures: list["_Picture"], luma: Plane, chroma: Plane) -> None:
        greens = _shares((chroma[0] < 20) & (chroma[1] < 20))
        rows, columns = (min(sizes) for sizes in zip(luma.shape[1:], chroma.shape[2:], strict=True))
        # In bytes, where a difference below zero becomes a large number.
        middle = luma[:, :rows, :columns] - np.uint8(126) <= 4
        blue, red = chroma[0, :, :rows, :columns], chroma[1, :, :rows, :columns]
        greys = _shares(middle & (blue - np.uint8(127) <= 2) & (red - np.uint8(127) <= 2))
        for picture, green, grey in zip(pictures, greens, greys, strict=True):
            if green > _GREEN_SHARE:
                self._found.setdefault("green_fill", picture.number)
            before, self._grey_share = self._grey_share, grey
            if before is not None and grey - before > _GREY_SHARE:
                self._found.setdefault("grey_fill", picture.number)

    def _see_edges(self, pictures: list["_Picture"], luma: Plane) -> None:
        """Compare the straight edges of each picture with those of the one before."""
        self._num_cells = luma[0].size / RUN**2
        height, width = luma.shape[1:]
        edges = (find_edges(luma), find_edges(luma, level=True))
        new = [each.new_ones(before) for each, before in zip(edges, self._edges or (None, None), strict=True)]
        grids = [
            coding_grid(side, _BLOCK * side / length)
            for side, length in zip((width, height), self._source_size, strict=True)
        ]
        for place, picture in enumerate(pictures):
            if place or self._edges is not None:  # else nothing is known of the frame before
                self._add_noise(picture.number, block_noise([each[place] for each in new], grids))
        self._edges = (edges[0].last_frame(), edges[1].last_frame())

    def _add_noise(self, number: int, amount: float) -> None:
        """Take in the block noise of a frame, and keep the two frames near each other that have most."""
        if not amount:
            return
        near = [each for each in self._recent_noise if number - each[0] <= _SPREADS_IN_FRAMES]
        before, most = max(near, key=lambda each: each[1], default=(number, 0.0))
        if amount + most > self._block_noise:
            self._block_noise, self._noise_begins = amount + most, before
        self._recent_noise = [*near, (number, amount)]


class _Picture(NamedTuple):
    """What is kept of a frame until it is looked at, beside its pixels."""

    number: int
    is_key: bool


def _shares(masks: Mask) -> list[float]:
    """Return which share of each mask is true."""
    rows = masks.reshape(len(masks), -1)
    counts = rows.sum(axis=1, dtype=np.int32) if rows.any() else np.zeros(len(rows), int)
    return [int(count) / rows.shape[1] for count in counts]


def _plane(frame: av.VideoFrame, index: int) -> Plane:
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    shown: Plane = rows[: plane.height, : plane.width]
    return shown
