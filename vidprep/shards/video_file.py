"""Open a video in memory and count its frames. No pyarrow here: loader workers start without it."""

from io import BytesIO
from typing import NamedTuple

import av
from av.container import InputContainer

# Containers of videos, but no playlists or devices: bytes from others must not make FFmpeg open other files.
_CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"


class FrameMissingError(Exception):
    """A video does not hold a frame that it should; becomes a `DecodeError` with key and shard."""


class VideoFacts(NamedTuple):
    """What a video holds; `fps` is the average, 0.0 where the file names none."""

    num_frames: int
    width: int
    height: int
    fps: float


def open_video(video: bytes) -> InputContainer:
    """Open a video in memory, to be decoded by this thread alone.

    Raises:
        FrameMissingError: If there is no video in it.
        av.FFmpegError: If it cannot be opened.
    """
    # Naming the format saves the probing, which takes as long as decoding two frames.
    container = av.open(
        BytesIO(video),
        mode="r",
        format="mov" if video[4:8] == b"ftyp" else None,
        options={"format_whitelist": _CONTAINERS},
        metadata_errors="replace",  # titles and the like may be any bytes
    )
    if not container.streams.video:
        container.close()
        raise FrameMissingError("there is no video stream")
    context = container.streams.video[0].codec_context
    if context is None:  # the header is cut off; PyAV's types do not mention this case
        container.close()
        raise FrameMissingError("the header does not say how the video is encoded")
    context.thread_type = "NONE"
    context.thread_count = 1
    return container


def count_frames(video: bytes) -> VideoFacts:
    """Decode a whole video and return what it holds.

    Raises:
        FrameMissingError: If there is no video in it, or not a single frame decodes.
        av.FFmpegError: If it cannot be opened or decoded.
    """
    with open_video(video) as container:
        stream = container.streams.video[0]
        num_frames = sum(1 for _ in container.decode(stream))
        if not num_frames:
            raise FrameMissingError("not a single frame decodes")
        return VideoFacts(num_frames, stream.width, stream.height, float(stream.average_rate or 0.0))
