"""Check before the first video that this machine's FFmpeg does what the recipe asks for."""

import functools
import platform
import subprocess
from pathlib import Path

from vidprep.builder.transcoding.scratch import scratch_folder
from vidprep.builder.transcoding.transcode import check_stored, transcode
from vidprep.errors import ToolError, VideoRejected
from vidprep.ffmpeg import check_encoder, ffmpeg_version, find_ffmpeg
from vidprep.recipes.recipe import Transcode


@functools.cache
def checked_ffmpeg(ffmpeg: str | None, version: str, settings: Transcode) -> str:
    """Return this machine's FFmpeg, after it has stored three made-up frames by the recipe.

    A misspelt preset, a missing GPU or a memory limit that FFmpeg cannot even start in would otherwise look
    like a dataset of bad videos.

    Args:
        ffmpeg: Path of the user's FFmpeg; None: the one that comes with vidprep.
        version: The version that the build was planned with.

    Raises:
        ToolError: If there is none, it is of another version, or the trial fails.
    """
    path = find_ffmpeg(ffmpeg)
    if ffmpeg_version(path) != version:
        raise ToolError(
            f"{path} on {platform.node()} is FFmpeg {ffmpeg_version(path)}, the build was planned with "
            f"{version}. Install the same imageio-ffmpeg on every machine."
        )
    if settings.mode == "encode":
        check_encoder(path, settings.encoder)
    with scratch_folder() as scratch:
        video = _make_video(path, Path(scratch) / "trial.mkv")
        try:
            stored = transcode(video, Path(scratch), settings.model_copy(update={"min_frames": 1}), path)
            check_stored(stored, settings)
        except VideoRejected as error:
            raise ToolError(
                f"FFmpeg on {platform.node()} cannot do what [transcode] of the recipe asks for: {error}. "
                f"It is {settings!r}."
            ) from error
    return path


def _make_video(path: str, video: Path) -> Path:
    picture = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=0.3")
    command = [path, "-loglevel", "error", *picture, "-c:v", "mpeg4", str(video)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise ToolError(f"{path} cannot make a video of three frames: {words or done.returncode}.")
    return video
