"""Clips on a time axis and crops on a frame."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup

from vidprep.load.sampling.views import Box
from vidprep.report.drawing.svg import WIDTH, Axis, Drawing, ticks

_LEFT, _RIGHT, _ROW, _TOP, _GAP = 54, 72, 15, 5, 10
_SHORT_SIDE = 256


class ClipRow(NamedTuple):
    """A clip to draw.

    Attributes:
        name: Name of its row, e.g. "epoch 3".
        frames: Numbers of the frames.
        series: Number of its colour.
        is_dense: Whether its frames are evenly spaced; then a frame that is not later than the one before it
            means that the video was looped.
    """

    name: str
    frames: Sequence[int]
    series: int
    is_dense: bool

    def passes(self) -> list[list[int]]:
        """Return the frames, split where a looped video begins anew."""
        parts = [[self.frames[0]]]
        for previous, frame in pairwise(self.frames):
            if self.is_dense and frame <= previous:
                parts.append([])
            parts[-1].append(frame)
        return parts

    def text(self) -> str:
        """Say where the clip lies in its video, and how often it begins anew."""
        first, last = min(self.frames), max(self.frames)
        num_passes = len(self.passes())
        span = f"{first}–{last}" if last > first else str(first)
        return f"{span}, ×{num_passes}" if num_passes > 1 else span


def time_axis(rows: Sequence[ClipRow], num_frames: int) -> Markup:
    """Draw clips as bars over the frames of their video; a gap sets off rows of another colour.

    A clip of consecutive frames is a bar, any other a tick for each frame. Where a video is looped, each pass
    is a bar of its own, one under the other.
    """
    num_gaps = sum(row.series != before.series for before, row in pairwise(rows))
    floor = _TOP + _ROW * len(rows) + _GAP * num_gaps + 2
    drawing = Drawing(WIDTH, floor + 32, f"Clips on the {num_frames:,} frames of a video")
    across = Axis(0, num_frames, _LEFT, WIDTH - _RIGHT)
    drawing.rect(_LEFT, _TOP - 4, WIDTH - _RIGHT - _LEFT, floor - _TOP + 4, "extent")
    y = float(_TOP)
    for at, row in enumerate(rows):
        y += _GAP if at and row.series != rows[at - 1].series else 0
        drawing.text(_LEFT - 6, y + 9, row.name, "tick", anchor="end")
        _draw_clip(drawing, across, y, row)
        drawing.text(WIDTH - _RIGHT + 6, y + 9, row.text(), "tick")
        y += _ROW
    _draw_frame_numbers(drawing, across, floor)
    return drawing.markup()


def _draw_frame_numbers(drawing: Drawing, across: Axis, floor: float) -> None:
    values = ticks(0, across.high, 6, whole=True)
    for value in values:
        drawing.line(across(value), floor, across(value), floor + 3, "axis")
        drawing.text(across(value), floor + 14, f"{value:,.0f}", "tick", anchor="middle")
    drawing.line(across.start, floor, across.stop, floor, "axis")
    drawing.text(
        (across.start + across.stop) / 2, floor + 28, f"frame (of {across.high:,})", "label", anchor="middle"
    )


def _draw_clip(drawing: Drawing, across: Axis, y: float, row: ClipRow) -> None:
    title = "frames " + ", ".join(map(str, row.frames))
    parts = row.passes()
    thickness = 11 / len(parts)
    for at, part in enumerate(parts):
        top, height = y + at * thickness, thickness - min(1.0, thickness / 4)
        for first, last in (
            _stretches(part) if row.is_dense else [(frame, frame) for frame in sorted(set(part))]
        ):
            width = max(across(last + 1) - across(first) - (0.3 if first == last else 0), 0.8)
            drawing.rect(across(first), top, width, height, f"f{row.series}", title=title)


def _stretches(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each stretch of consecutive frames."""
    stretches = [(frames[0], frames[0])]
    for frame in frames[1:]:
        first, last = stretches[-1]
        if frame - last <= 1:
            stretches[-1] = (first, frame)
        else:
            stretches.append((frame, frame))
    return stretches


def crops_overlay(boxes: Sequence[Box], names: Sequence[str], width: int, height: int) -> Markup:
    """Draw boxes over a frame of `width` x `height`: an outline each, its name at its left side."""
    scale = _scale(width, height)
    drawing = Drawing(width * scale, height * scale, f"{len(boxes)} crops of a {width} x {height} frame")
    for number, box in enumerate(boxes):
        for css in ("halo", f"box l{number % 6}"):
            drawing.rect(scale * box.left, scale * box.top, scale * box.width, scale * box.height, css)
    for number, (box, name) in enumerate(zip(boxes, names, strict=True)):
        row = 6 + 27 * number  # of its own, so that no name covers another
        drawing.rect(scale * box.left, row, 22, 22, f"chip f{number % 6}", rx=3)
        drawing.text(scale * box.left + 11, row + 16, name, "chip-text", anchor="middle")
    return drawing.markup()


def crop_overlay(box: Box, width: int, height: int) -> Markup:
    """Draw one box over a frame of `width` x `height`; what lies outside is dimmed."""
    scale = _scale(width, height)
    label = f"Crop of {box.width} x {box.height} at x {box.left}, y {box.top}"
    drawing = Drawing(width * scale, height * scale, label)
    left, top, across, down = (scale * side for side in (box.left, box.top, box.width, box.height))
    right, bottom = left + across, top + down
    outside = f"M0 0H{width * scale:g}V{height * scale:g}H0Z"
    drawing.path(f"{outside}M{left:g} {top:g}V{bottom:g}H{right:g}V{top:g}Z", "veil")
    drawing.rect(left + 2, top + 2, across - 4, down - 4, "box l1")
    return drawing.markup()


def _scale(width: int, height: int) -> float:
    """Return the factor that makes the short side `_SHORT_SIDE`, for lines and names of one size."""
    return _SHORT_SIDE / min(width, height)
