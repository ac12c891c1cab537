"""The optional decoder backend: torchcodec, on the FFmpeg libraries of the system."""

import time
from collections.abc import Sequence

from vidprep.errors import DecodeError, ToolError
from vidprep.load.decoding.decode import Timing, places_by_frame
from vidprep.load.decoding.pixels import Uint8s
from vidprep.load.sampling.views import View


class TorchcodecDecoder:
    """Decodes whole frames to RGB and cuts the crops out.

    Raises:
        ToolError: If torchcodec, or the FFmpeg libraries that it looks for, are not installed.
    """

    def __init__(self) -> None:
        try:
            from torchcodec import decoders
        except (ImportError, RuntimeError, OSError) as error:
            raise ToolError(
                "torchcodec does not load. Install it with `pip install vidprep[torchcodec]`, and FFmpeg's "
                'libraries 4 to 8 with the system\'s packages; or use backend = "pyav", which needs neither.'
            ) from error
        self._open = decoders.VideoDecoder

    def decode(self, video: bytes, views: Sequence[View], out: Uint8s, *, num_frames: int) -> Timing:
        """Decode a video into `out`; see `ViewDecoder`."""
        places = places_by_frame(views)
        wanted = sorted(places)
        start = time.perf_counter()
        try:
            # Approximate seeking misses frames of some files; exact costs one pass over the packets.
            decoder = self._open(video, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact")
            frames = decoder.get_frames_at(wanted).data.numpy()
        except (RuntimeError, ValueError, IndexError) as error:
            raise DecodeError(f"torchcodec: {error}") from error
        decoded = time.perf_counter()
        if decoder.metadata.num_frames != num_frames:
            raise DecodeError(f"torchcodec sees {decoder.metadata.num_frames} frames, not {num_frames}")
        for frame, number in zip(frames, wanted, strict=True):
            for view, at in places[number]:
                top, left, *_ = views[view].box
                crop = frame[top : top + out.shape[2], left : left + out.shape[3]]
                out[view, at] = 0
                out[view, at, : crop.shape[0], : crop.shape[1]] = crop
        return Timing(decode=decoded - start, convert=time.perf_counter() - decoded)
