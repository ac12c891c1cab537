"""A part of a longer video: the frames whose time lies from a start, included, to an end, excluded.

Frame i of a segment in seconds is the i-th frame of the source with `start <= time < end`. A segment in
frames has every frame from `start` to `end`, both included; the video's first frame is 0. Times are those
that players show, counted from the file's first frame and compared to the microsecond: 1.28 in a list means
the frame at 115200/90000 s.
"""

from typing import Literal

from vidprep.recipes.toml_models import Frozen

# How far a segment may reach beyond its source: lists round their times, and sound may outlast the pictures.
END_TOLERANCE_SECONDS = 0.5
# Half a microsecond: a frame's time is a fraction, a list's is a rounded decimal number.
TIME_TOLERANCE_SECONDS = 5e-7


class Segment(Frozen):
    """The part of a source that a sample is.

    Attributes:
        start: Start in seconds, or number of the first frame.
        end: End in seconds, or number of the last frame.
        unit: Unit of `start` and `end`.
        place: Where the annotation names the segment, e.g. "line 7", for messages.
    """

    start: float
    end: float
    unit: Literal["seconds", "frames"] = "seconds"
    place: str = ""

    def __str__(self) -> str:
        unit = "s" if self.unit == "seconds" else "frames"
        return f"{self.start:g} to {self.end:g} {unit} ({self.place})"
