"""Read facts out of FFmpeg's log of a run at log level "repeat+level+verbose".

FFmpeg repeats the titles and comments of a video in its log, at level info. So every pattern is tied to a
start of a line, or to a level, that such a text cannot have.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
_INPUT = re.compile(r"^\[info\] Input #0, (\S+), from", re.MULTILINE)
_OUTPUT = re.compile(r"^\[info\] Output #0, ", re.MULTILINE)
_VIDEO_STREAM = re.compile(r"^\[info\]   (?:  )?Stream #0:\d+.*?: (Video: .*)", re.MULTILINE)
_ANY_STREAM = re.compile(r"^\[info\]   (?:  )?Stream #0:\d+.*?: (\w+: \w+)", re.MULTILINE)
_DECODER_WORDS = re.compile(r"Video: (\w+)(?: \((\w+)\))?")
_READ = re.compile(
    r"^\[in#0[^\]]*\] \[verbose\]   Input stream #0:\d+ \(video\): "
    r"(\d+) packets read[^;]*;(?: (\d+) frames decoded; (\d+) decode errors)?",
    re.MULTILINE,
)
_WRITTEN = re.compile(
    r"^\[out#0[^\]]*\] \[verbose\]   Output stream #0:0 \(video\): (\d+) frames encoded", re.MULTILINE
)
_STOPPED = re.compile(r"^\[info\] Exiting normally, received signal (\d+)", re.MULTILINE)
_DURATION = re.compile(r"^\[info\]   Duration: (\d+):(\d+):([\d.]+)", re.MULTILINE)
_FRAME_TIMES = re.compile(r"^\[Eval\] \[info\] (-?\d+\.\d+)", re.MULTILINE)
_RATE = re.compile(r"([\d.]+)(k?) fps")
_SIZE = re.compile(r", (\d+)x(\d+)[ ,]")
_TURN = re.compile(
    r"^\[info\]  +(?:displaymatrix|Display Matrix): rotation of (-?[\d.]+) degrees", re.MULTILINE
)
_SIZE_AND_RATE = re.compile(r", (\d+)x(\d+)[ ,].*?([\d.]+)(k?) fps")
_ERROR = re.compile(
    r"^((?:\[[^\]]*\] )*)\[(?:(?:error|fatal)\] (.*)|warning\] (corrupt decoded frame))$", re.MULTILINE
)
_WARNING = re.compile(r"^(?:\[[^\]]*\] )*\[warning\] (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class FFmpegLog:
    """The facts in one log.

    Attributes:
        container: FFmpeg's names of the input's format, e.g. "mov,mp4,m4a,3gp,3g2,mj2"; "" if never opened.
        streams: Kind and codec of each stream of the input, e.g. "Audio: aac".
        source_stream: FFmpeg's own description of the source video, e.g. "Video: h264 (High), ...".
        num_frames_announced: About how many frames the header of an MP4 announces; 0 if it does not tell.
            Other containers announce no number of frames.
        num_frames_by_duration: The header's duration times its rate, in any container; 0 if it does not tell.
        source_size: Width and height of the source, upright, in its own pixels; (0, 0) if unknown.
        has_counts: Whether FFmpeg came to its end, where it counts packets and frames.
        stopped_by_signal: The signal that made FFmpeg end early, or 0.
        num_packets: Video packets read.
        num_frames_decoded: Frames that came out of the decoder.
        num_frames_encoded: Frames that went into the output.
        num_decode_errors: Packets that the decoder refused.
        width: Width of the output in pixels, 0 if there was none.
        height: Height of the output in pixels, 0 if there was none.
        fps: Frames a second of the output, rounded to two decimals.
        complaints: Errors of the demuxer and the video decoder, and the decoder's warnings of frames that it
            had to make up: the video is not whole.
        errors: All such lines, from any part of FFmpeg.
        warnings: All lines of level "warning", from any part of FFmpeg.
        duration_seconds: Length of the source by its header; 0.0 if it does not tell.
        first_frame_seconds: Time of the first frame decoded, where the command asks for it; else None.
        last_frame_seconds: Time of the last frame near the end that is wanted; None if there is none.
    """

    container: str
    streams: tuple[str, ...]
    source_stream: str
    num_frames_announced: int
    num_frames_by_duration: int
    source_size: tuple[int, int]
    has_counts: bool
    stopped_by_signal: int
    num_packets: int
    num_frames_decoded: int
    num_frames_encoded: int
    num_decode_errors: int
    width: int
    height: int
    fps: float
    complaints: tuple[str, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    duration_seconds: float = 0.0
    first_frame_seconds: float | None = None
    last_frame_seconds: float | None = None

    @property
    def source_codec(self) -> str:
        """FFmpeg's name of the source video's codec, e.g. "h264"; "" if there is none."""
        words = _DECODER_WORDS.match(self.source_stream)
        return words[1] if words else ""


def parse_log(log: str) -> FFmpegLog:
    """Read the facts out of a log; what is not in it is 0 or empty."""
    log = _ADDRESS.sub("", log)
    output = _OUTPUT.search(log)
    before, after = (log[: output.start()], log[output.start() :]) if output else (log, "")
    source_stream = _first(_VIDEO_STREAM, before)
    container = _first(_INPUT, log)
    by_duration = _frames_by_duration(before, source_stream)
    read = _READ.search(log)
    times = [float(time) for time in _FRAME_TIMES.findall(log)]
    size = _SIZE_AND_RATE.search(_first(_VIDEO_STREAM, after))
    errors = [(match[1], (match[2] or match[3]).strip()) for match in _ERROR.finditer(log)]
    return FFmpegLog(
        container=container,
        streams=tuple(_ANY_STREAM.findall(before)),
        source_stream=source_stream,
        num_frames_announced=by_duration if "mp4" in container else 0,
        num_frames_by_duration=by_duration,
        source_size=_source_size(before, source_stream),
        has_counts=read is not None,
        stopped_by_signal=int(_first(_STOPPED, log) or 0),
        num_packets=int(read[1]) if read else 0,
        num_frames_decoded=int(read[2] or 0) if read else 0,
        num_decode_errors=int(read[3] or 0) if read else 0,
        num_frames_encoded=int(_first(_WRITTEN, log) or 0),
        width=int(size[1]) if size else 0,
        height=int(size[2]) if size else 0,
        fps=_frames_per_second(size[3], size[4]) if size else 0.0,
        complaints=_unique(text for origin, text in errors if _is_about_the_video(origin, source_stream)),
        errors=_unique(text for _, text in errors),
        warnings=_unique(_WARNING.findall(log)),
        duration_seconds=_duration(before),
        first_frame_seconds=times[0] if times else None,
        last_frame_seconds=times[-1] if len(times) > 1 else None,
    )


def _frames_by_duration(header: str, source_stream: str) -> int:
    rate = _RATE.search(source_stream)
    return round(_duration(header) * _frames_per_second(rate[1], rate[2])) if rate else 0


def _duration(header: str) -> float:
    found = _DURATION.search(header)
    hours, minutes, seconds = (float(part) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    return 3600 * hours + 60 * minutes + seconds


def _source_size(header: str, source_stream: str) -> tuple[int, int]:
    size, turn = _SIZE.search(source_stream), _TURN.search(header)
    if not size:
        return (0, 0)
    width, height = int(size[1]), int(size[2])
    lies = turn is not None and round(float(turn[1])) % 180 == 90
    return (height, width) if lies else (width, height)


def _frames_per_second(number: str, thousands: str) -> float:
    return float(number) * (1000 if thousands else 1)


def _is_about_the_video(origin: str, source_stream: str) -> bool:
    """Tell whether an error line comes from the demuxer or the video decoder, by its `[who]` prefixes.

    Damaged audio does not matter: the stored video has none.
    """
    words = _DECODER_WORDS.match(source_stream)
    names = {"in#0", "vist#0", *(word for word in (words.groups() if words else ()) if word)}
    writers = re.findall(r"\[([^\]]*)\]", origin)
    return any(re.split(r"[:/ ]", writer)[0] in names for writer in writers)


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1].strip() if match else ""


def _unique(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))
