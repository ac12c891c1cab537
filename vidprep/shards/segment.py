"""A part of a longer video: the frames whose time lies from a start, included, to an end, excluded.

Frame i of a segment is the i-th frame of the source with `start <= time < end`: the first one is the first
frame that is shown at or after `start`. Counted in frames, it is every frame from `start` to `end`, both
included, the video's first frame being 0. Times are the file's own, as players show them, counted from its
first frame and compared to the microsecond: a list that says 1.28 means the frame at 115200/90000 s.
"""

from typing import Literal

from vidprep.recipes.toml_models import Frozen

# Lists round their times, and sound may end after the pictures.
END_TOLERANCE_SECONDS = 0.5
# Half a microsecond: a frame's time is a fraction, a list's is a rounded decimal number.
TIME_TOLERANCE_SECONDS = 5e-7


class Segment(Frozen):
    """Which part of a source a sample is.

    Attributes:
        start: Seconds, or the first frame.
        end: Seconds, or the last frame.
        unit: Unit of both.
        place: Where the list says so, for messages.
    """

    start: float
    end: float
    unit: Literal["seconds", "frames"] = "seconds"
    place: str = ""

    def __str__(self) -> str:
        unit = "s" if self.unit == "seconds" else "frames"
        return f"{self.start:g} to {self.end:g} {unit} ({self.place})"
