"""Frames out of a shard set, as images."""

from collections.abc import Sequence

import av
from av.video.reformatter import VideoReformatter
from PIL import Image

from vidprep.errors import DecodeError
from vidprep.load.decoding.frames import read_frames
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import StoredVideo, range_reader, read_video
from vidprep.shards.video_file import FrameMissingError


class VideoReader:
    """Reads frames of the videos of a shard set; may be used by several threads at once."""

    def __init__(self, shards: ShardSet) -> None:
        self._reader = range_reader(shards.root)

    def images(self, video: StoredVideo, wanted: Sequence[int], height: int) -> list[Image.Image]:
        """Return frames of a video as RGB images, scaled to `height` pixels.

        Args:
            wanted: Frame numbers, ascending, each once.

        Raises:
            ShardError: If the video cannot be read, or is not the one that was stored.
            DecodeError: If it does not decode.
        """
        data = read_video(self._reader, video)
        width = max(2, round(video.width * height / video.height))
        scaler = VideoReformatter()
        try:
            return [
                Image.fromarray(scaler.reformat(frame, width, height, "rgb24", threads=1).to_ndarray())
                for _, frame in read_frames(data, wanted, num_frames=video.num_frames)
            ]
        except (FrameMissingError, av.FFmpegError) as error:
            raise DecodeError(f"{video.shard}: {video.key} does not decode: {error}.") from error
