"""What a view of a video is: a clip x a crop."""

from dataclasses import dataclass
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle of a stored frame, in pixels; rows `top` to `top + height - 1`."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class View:
    """One clip of a video, by the numbers of its frames, seen through one box."""

    frames: tuple[int, ...]
    box: Box
