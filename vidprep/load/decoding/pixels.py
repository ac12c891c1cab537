"""How a crop lies in a batch, and how it gets there from a decoded frame.

S = `side`, at least the longest side of a crop. A frame of a clip is

    yuv420   (3S/2, S) uint8: S rows of Y, then S/2 rows that hold U on the left and V on the right, from the
             even pixel at or before the box on; S has two pixels of slack for that.
    rgb      (S, S, 3) uint8, from the box on.

What lies beyond the box is the frame's own, or zero where the frame ends. Colours are BT.601 in limited
range, what vidprep stores; other videos are converted to that first.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from vidprep.load.decoding.cutting import BoxCutter, Planes
from vidprep.load.sampling.views import Box

Pixels = Literal["yuv420", "rgb"]
Uint8s = npt.NDArray[np.uint8]

# AVCOL_SPC values that mean BT.601, or that nobody said anything (libavutil/pixfmt.h).
_BT601_OR_UNSAID = (2, 5, 6)


def buffer_side(pixels: Pixels, longest_side: int) -> int:
    """Return S for crops of at most `longest_side`."""
    return longest_side if pixels == "rgb" else (longest_side + 1) // 2 * 2 + 2


def frame_shape(pixels: Pixels, side: int) -> tuple[int, ...]:
    """Return the shape of one frame in a batch."""
    return (side, side, 3) if pixels == "rgb" else (side * 3 // 2, side)


class PixelWriter(Protocol):
    """Writes crops of decoded frames into a batch; one for each thread."""

    def start(self) -> None:
        """Begin another video."""

    def write(self, frame: VideoFrame, crops: Sequence[tuple[Box, Uint8s]]) -> None:
        """Write crops of `frame`: each box into an array of `frame_shape`."""


class Yuv420Writer:
    """Copies the planes of a crop.

    Args:
        side: S of the batch.
    """

    def __init__(self, side: int) -> None:
        self._side = side
        self._reformatter = VideoReformatter()
        self._cutter = BoxCutter(self._new_canvas)

    def start(self) -> None:
        """Begin another video."""
        self._cutter.forget()

    def write(self, frame: VideoFrame, crops: Sequence[tuple[Box, Uint8s]]) -> None:
        """Write crops as Y, U and V planes."""
        self._cutter.load(as_stored(frame, self._reformatter))
        for box, out in crops:
            out[...] = self._cutter.cut(box)

    def _new_canvas(self) -> tuple[Uint8s, Planes]:
        side, half = self._side, self._side // 2
        canvas = np.zeros(frame_shape("yuv420", side), np.uint8)
        return canvas, (canvas[:side], canvas[side:, :half], canvas[side:, half:])


class RgbWriter:
    """Cuts a crop out and converts it, with one scaler for all frames.

    Args:
        side: S of the batch.
    """

    def __init__(self, side: int) -> None:
        # Two: one that alternates between two jobs would set itself up anew for each frame.
        self._reformatter, self._converter = VideoReformatter(), VideoReformatter()
        self._padded = buffer_side("yuv420", side)
        self._pixels = np.empty(frame_shape("rgb", side), np.uint8)
        self._cutter = BoxCutter(self._new_canvas)

    def start(self) -> None:
        """Begin another video."""
        self._cutter.forget()

    def write(self, frame: VideoFrame, crops: Sequence[tuple[Box, Uint8s]]) -> None:
        """Write crops as RGB."""
        self._cutter.load(as_stored(frame, self._converter))
        for box, out in crops:
            self._convert(self._cutter.cut(box), box, out)

    def _new_canvas(self) -> tuple[VideoFrame, Planes]:
        canvas = VideoFrame(self._padded, self._padded, "yuv420p")
        y, u, v = (plane_array(plane, plane.height)[:, : plane.width] for plane in canvas.planes)
        for plane in (y, u, v):
            plane[...] = 0
        return canvas, (y, u, v)

    def _convert(self, canvas: VideoFrame, box: Box, out: Uint8s) -> None:
        """Write a crop as RGB."""
        # threads=1: setting up swscale's own threads for each frame costs more than they bring.
        rgb = self._reformatter.reformat(
            canvas,
            format="rgb24",
            src_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        top, left = box.top % 2, box.left % 2
        plane = rgb.planes[0]
        pixels = plane_array(plane, rgb.height)[:, : rgb.width * 3].reshape(rgb.height, rgb.width, 3)
        # By way of memory that stays in the cache; why: vidprep.load.decoding.cutting.
        self._pixels[...] = pixels[top : top + len(out), left : left + len(out)]
        out[...] = self._pixels


def writer_for(pixels: Pixels, side: int) -> PixelWriter:
    """Return a writer of crops with sides up to `side` (S of the batch)."""
    return RgbWriter(side) if pixels == "rgb" else Yuv420Writer(side)


def as_stored(frame: VideoFrame, reformatter: VideoReformatter) -> VideoFrame:
    """Return a frame as 8-bit YUV 4:2:0, BT.601, limited range: itself, if it is that already."""
    stored = frame.color_range != ColorRange.JPEG and frame.colorspace in _BT601_OR_UNSAID
    if frame.format.name == "yuv420p" and stored:
        return frame
    return reformatter.reformat(
        frame,
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )


def plane_array(plane: VideoPlane, height: int) -> Uint8s:
    """Return a view of a plane, padding at the end of each row included."""
    return np.frombuffer(plane, np.uint8)[: height * plane.line_size].reshape(height, plane.line_size)  # type: ignore[call-overload,no-any-return]
