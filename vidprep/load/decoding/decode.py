"""From the bytes of a video to the pixels of its views, one decode for all of them.

V = views, T = frames of a clip.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import av

from vidprep.errors import DecodeError
from vidprep.load.decoding.frames import NumberedFrame, read_frames
from vidprep.load.decoding.pixels import Pixels, Uint8s, writer_for
from vidprep.load.decoding.stored_mp4 import NotStoredError, StoredReader
from vidprep.load.sampling.views import View
from vidprep.shards.video_file import FrameMissingError

Backend = Literal["pyav", "torchcodec"]


@dataclass
class Timing:
    """Seconds that a video took: `decode` with demuxing, `convert` into the batch."""

    decode: float = 0.0
    convert: float = 0.0


class ViewDecoder(Protocol):
    """Decodes the views of one video after another; one for each thread."""

    def decode(self, video: bytes, views: Sequence[View], out: Uint8s, *, num_frames: int) -> Timing:
        """Decode a video into `out`, of shape (V, T, *frame_shape).

        Raises:
            DecodeError: If the video does not decode to the frames that were asked for.
        """


class PyavDecoder:
    """Decodes with the FFmpeg that PyAV's wheels bring.

    Args:
        pixels: Format of the batch.
        side: S of the batch, see `vidprep.load.decoding.pixels`.
    """

    def __init__(self, pixels: Pixels, side: int) -> None:
        self._writer = writer_for(pixels, side)
        self._stored = StoredReader()

    def decode(self, video: bytes, views: Sequence[View], out: Uint8s, *, num_frames: int) -> Timing:
        """Decode a video into `out`; see `ViewDecoder`."""
        timing = Timing()
        places = places_by_frame(views)
        wanted = sorted(places)
        try:
            frames = self._stored.read(video, wanted, num_frames=num_frames)
            self._write(frames, views, places, out, timing)
        except (NotStoredError, FrameMissingError, av.FFmpegError):
            # The general reader takes any video, and has the last word on one that does not decode.
            try:
                frames = read_frames(video, wanted, num_frames=num_frames)
                self._write(frames, views, places, out, timing)
            except (FrameMissingError, av.FFmpegError) as error:
                raise DecodeError(str(error)) from error
        return timing

    def _write(
        self,
        frames: Iterator[NumberedFrame],
        views: Sequence[View],
        places: Mapping[int, list[tuple[int, int]]],
        out: Uint8s,
        timing: Timing,
    ) -> None:
        """Write frames into their places; what is not spent on that is spent on decoding."""
        self._writer.start()
        start, writing = time.perf_counter(), 0.0
        for number, frame in frames:
            came = time.perf_counter()
            self._writer.write(frame, [(views[view].box, out[view, at]) for view, at in places[number]])
            writing += time.perf_counter() - came
        timing.convert += writing
        timing.decode += time.perf_counter() - start - writing


def places_by_frame(views: Sequence[View]) -> dict[int, list[tuple[int, int]]]:
    """Return where each frame is shown, as (view, place in its clip)."""
    places = defaultdict(list)
    for number, view in enumerate(views):
        for at, frame in enumerate(view.frames):
            places[frame].append((number, at))
    return dict(places)


def decoder_for(backend: Backend, pixels: Pixels, side: int) -> ViewDecoder:
    """Return a decoder, for use in one thread.

    Args:
        backend: "pyav" or "torchcodec".
        pixels: Format of the batch.
        side: S of the batch, see `vidprep.load.decoding.pixels`.

    Raises:
        ValueError: If the backend cannot deliver such pixels.
        ToolError: If the backend is not installed.
    """
    if backend == "pyav":
        return PyavDecoder(pixels, side)
    from vidprep.load.decoding.torchcodec_backend import TorchcodecDecoder  # needs an extra

    if pixels != "rgb":
        raise ValueError(f'backend = "torchcodec" gives pixels = "rgb" only, not "{pixels}".')
    return TorchcodecDecoder()
