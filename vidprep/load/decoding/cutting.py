"""Cut boxes out of decoded frames, into memory that stays in the processor's cache.

A batch is far larger than the caches. When it is written row by row, the processor first reads each cache
line from memory; long pieces go past the caches and take much less time. So a box is cut into a canvas of its
own, and the canvas goes into the batch in one piece. A row counts as one element (a void dtype of its bytes):
numpy then copies a plane in one loop.
"""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from vidprep.load.sampling.views import Box

Planes = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]  # Y, U and V
Canvas = TypeVar("Canvas")


class _Part(NamedTuple):
    """What a box shows of one plane: `rows` rows from (top, left) on, and where they go."""

    plane: int
    rows: tuple[int]
    row: np.dtype[np.void]
    top: int
    left: int
    target: npt.NDArray[np.void]


class BoxCutter(Generic[Canvas]):
    """Cuts boxes out of the Y, U and V of one video's frames; one for each thread.

    Args:
        new_canvas: Makes what a box is cut into, and its planes, all zero.
    """

    def __init__(self, new_canvas: Callable[[], tuple[Canvas, Planes]]) -> None:
        self._new_canvas = new_canvas
        self._canvases: dict[Box, tuple[Canvas, list[_Part]]] = {}
        self._size = (0, 0)
        self._planes: tuple[VideoPlane, ...] = ()

    def forget(self) -> None:
        """Let go of the boxes of a video."""
        self._canvases.clear()
        self._planes = ()

    def load(self, frame: VideoFrame) -> None:
        """Take the frame to cut from, 8-bit YUV 4:2:0."""
        if self._size != (frame.width, frame.height):
            self.forget()
            self._size = (frame.width, frame.height)
        self._planes = frame.planes

    def cut(self, box: Box) -> Canvas:
        """Return the canvas of a box: from the even pixel at or before it on, zero where the frame ends.

        It is valid until the next cut.
        """
        if box not in self._canvases:
            canvas, targets = self._new_canvas()
            self._canvases[box] = canvas, _parts(box, self._planes, targets)
        canvas, parts = self._canvases[box]
        for number, rows, row, top, left, target in parts:
            plane = self._planes[number]
            stride = plane.line_size
            target[...] = np.ndarray(rows, row, plane, top * stride + left, (stride,))  # type: ignore[arg-type]
        return canvas


def _parts(box: Box, planes: Sequence[VideoPlane], targets: Planes) -> list[_Part]:
    parts = []
    for number, (shift, plane, target) in enumerate(zip((0, 1, 1), planes, targets, strict=True)):
        top, left = box.top // 2 * 2 >> shift, box.left // 2 * 2 >> shift
        rows, columns = min(len(target), plane.height - top), min(target.shape[1], plane.width - left)
        if rows > 0 and columns > 0:
            row = np.dtype((np.void, columns))
            shown = target[:rows, :columns].view(row)[:, 0]
            parts.append(_Part(number, (rows,), row, top, left, shown))
    return parts
