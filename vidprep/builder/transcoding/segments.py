"""A part of a source: which frames FFmpeg takes, and where it may begin to decode."""

from dataclasses import dataclass

from vidprep.builder.transcoding.ffmpeg_log import FFmpegLog
from vidprep.errors import VideoRejected
from vidprep.shards.segment import END_TOLERANCE_SECONDS, TIME_TOLERANCE_SECONDS, Segment

# Decoding begins this long before a segment: B-frames and open GOPs reach over a key frame.
_RUN_UP_SECONDS = 2.0
_NEAR_END_SECONDS = 2.0
# Containers that keep the time of each packet beside an index of key frames. AVI keeps none: after a seek
# its times are guesses where there are B-frames.
_INDEXED = {"mov", "mp4", "matroska", "webm"}


@dataclass(frozen=True)
class Cut:
    """How FFmpeg gets a segment.

    Attributes:
        expression: Which frames to take, for FFmpeg's filter `select`.
        seek_seconds: Where to begin to read; None: at the beginning.
        stop_seconds: At which time of a frame to stop; None: at the end.
        stop_frame: Before which frame to stop.
    """

    expression: str
    seek_seconds: float | None = None
    stop_seconds: float | None = None
    stop_frame: int | None = None


def plan_cut(segment: Segment, *, seek: bool) -> Cut:
    """Say how to get a segment; `seek` begins shortly before it instead of at the beginning."""
    if segment.unit == "frames":
        expression = f"between(n,{segment.start:.0f},{segment.end:.0f})"
        return Cut(expression, stop_frame=round(segment.end) + 1)
    begin = segment.start - _RUN_UP_SECONDS
    # FFmpeg writes the time of the first frame that it decodes into its log, at level "info".
    first = "if(eq(n,0),0*print(t,32))"
    # Also the times of the frames near its end: a source that does not tell its length may end long before.
    last = f"if(gte(t,{segment.end - _NEAR_END_SECONDS:.9f}),0*print(t,32))"
    start, end = (time - TIME_TOLERANCE_SECONDS for time in (segment.start, segment.end))
    expression = f"{first}+{last}+gte(t,{start:.9f})*lt(t,{end:.9f})"
    return Cut(expression, begin if seek and begin > 0 else None, segment.end + 1.0)


def is_trustworthy(log: FFmpegLog, cut: Cut, segment: Segment) -> bool:
    """Tell whether a cut that began in the middle shows the frames that one from the beginning shows."""
    indexed = bool(_INDEXED & set(log.container.split(",")))
    whole = not (log.complaints or log.num_decode_errors) and log.num_frames_encoded > 0
    first = log.first_frame_seconds
    began_before = first is not None and first <= segment.start
    return cut.seek_seconds is None or (indexed and whole and began_before)


def check_inside(log: FFmpegLog, segment: Segment) -> None:
    """Refuse a segment that the source does not hold.

    Raises:
        VideoRejected: If it ends after the source does, or no frame lies in it.
    """
    length = log.duration_seconds
    if segment.unit == "seconds" and length and segment.end > length + END_TOLERANCE_SECONDS:
        raise VideoRejected("beyond_end", f"segment {segment}; the source lasts {length:g} s")
    if segment.unit == "seconds" and not length and not _reaches_end(log, segment):
        raise VideoRejected(
            "beyond_end",
            f"segment {segment}; the source does not tell its length; its pictures end before the segment",
        )
    if segment.unit == "frames" and log.num_frames_encoded < segment.end - segment.start + 1:
        raise VideoRejected(
            "beyond_end", f"segment {segment}; it holds {log.num_frames_encoded} frames of the source"
        )
    if not log.num_frames_encoded:
        raise VideoRejected("beyond_end", f"segment {segment}; no frame of the source lies in it")


def _reaches_end(log: FFmpegLog, segment: Segment) -> bool:
    """Tell whether the last frame that was seen near the end of a segment is shown until then."""
    last, shown = log.last_frame_seconds, 1 / log.fps if log.fps else 0.0
    return last is not None and last + shown >= segment.end - END_TOLERANCE_SECONDS
