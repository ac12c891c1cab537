"""Frames to raw video files, with one FFmpeg process a file and the same bytes every time."""

import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidprep.errors import ToolError
from vidprep.synth.scene import Frames

# Scenes are drawn small and FFmpeg enlarges them: a quarter of the drawing time, and softer edges.
_DRAWN_SHORT_SIDE = 120

_BITEXACT = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]


@dataclass(frozen=True)
class VideoFormat:
    """Shape of a video file.

    Attributes:
        width: Width in stored pixels.
        height: Height in stored pixels.
        fps: Frames per second.
        sample_aspect: Width of a stored pixel divided by its height.
    """

    width: int
    height: int
    fps: Fraction
    sample_aspect: Fraction = Fraction(1)

    @property
    def drawn_size(self) -> tuple[int, int]:
        """Width and height to draw at: square pixels, a short side of 120."""
        width, height = float(self.width * self.sample_aspect), self.height
        scale = _DRAWN_SHORT_SIDE / min(width, height)
        return round(width * scale), round(height * scale)


def write_webm(frames: Frames, path: Path, fmt: VideoFormat, *, ffmpeg: str) -> None:
    """Write VP9 in WebM without audio, as Something-Something v2 is published.

    Raises:
        ToolError: If FFmpeg fails.
    """
    codec = [
        "-c:v",
        "libvpx-vp9",
        "-deadline",
        "realtime",
        "-cpu-used",
        "8",
        "-lag-in-frames",
        "0",
        "-crf",
        "33",
        "-b:v",
        "0",
    ]
    _run(
        [ffmpeg, *_video_input(frames, fmt), *_video_filter(fmt), *codec, *_BITEXACT, "-f", "webm"],
        path,
        frames,
    )


def write_mp4(
    frames: Frames, path: Path, fmt: VideoFormat, *, tone_hz: int, index_first: bool, ffmpeg: str
) -> None:
    """Write H.264 and AAC in MP4, as YouTube clips are kept.

    Args:
        tone_hz: Pitch of the audio, which lasts as long as the frames.
        index_first: Put the `moov` atom in front: a file cut short can then still be opened.

    Raises:
        ToolError: If FFmpeg fails.
    """
    tone = _tone_input(tone_hz, len(frames) / fmt.fps)
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-c:a", "aac", "-b:a", "48k"]
    muxer = ["-movflags", "+faststart"] if index_first else []
    command = [ffmpeg, *_video_input(frames, fmt), *tone, *_video_filter(fmt), *codecs, *_BITEXACT, *muxer]
    _run([*command, "-f", "mp4"], path, frames)


def write_avi(frames: Frames, path: Path, fmt: VideoFormat, *, ffmpeg: str) -> None:
    """Write MPEG-4 in AVI without audio, as UCF101 and HMDB51 are published.

    Raises:
        ToolError: If FFmpeg fails.
    """
    codec = ["-c:v", "mpeg4", "-q:v", "5", "-g", "12", "-vtag", "XVID"]
    command = [ffmpeg, *_video_input(frames, fmt), *_video_filter(fmt), *codec, *_BITEXACT]
    _run([*command, "-f", "avi"], path, frames)


def write_jpegs(frames: Frames, folder: Path, fmt: VideoFormat, *, ffmpeg: str) -> None:
    """Write `00001.jpg`, `00002.jpg`, ... into a folder, as Jester is published.

    Raises:
        ToolError: If FFmpeg fails.
    """
    codec = ["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"]
    command = [ffmpeg, *_video_input(frames, fmt), *_video_filter(fmt), *codec, *_BITEXACT]
    _run([*command, "-f", "image2"], folder / "%05d.jpg", frames)


def write_tone(path: Path, seconds: Fraction, *, tone_hz: int, container: str, ffmpeg: str) -> None:
    """Write a file with audio and no video.

    Args:
        path: Path of the file.
        seconds: Length.
        tone_hz: Pitch.
        container: "webm" or "mp4".
        ffmpeg: Path of the program.

    Raises:
        ToolError: If FFmpeg fails.
    """
    codec = {"webm": "libopus", "mp4": "aac"}[container]
    _run([ffmpeg, *_tone_input(tone_hz, seconds), "-c:a", codec, *_BITEXACT, "-f", container], path, None)


def _video_input(frames: Frames, fmt: VideoFormat) -> list[str]:
    height, width = frames.shape[1:3]
    shape = ["-s", f"{width}x{height}", "-framerate", str(fmt.fps)]
    return ["-f", "rawvideo", "-pix_fmt", "rgb0", *shape, "-i", "pipe:0"]


def _tone_input(tone_hz: int, seconds: Fraction) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine=frequency={tone_hz}:sample_rate=24000:duration={float(seconds):.3f}"]


def _video_filter(fmt: VideoFormat) -> list[str]:
    scale = f"scale={fmt.width}:{fmt.height}:flags=bilinear+accurate_rnd+bitexact"
    aspect = f"setsar={fmt.sample_aspect.numerator}/{fmt.sample_aspect.denominator}"
    return ["-filter_threads", "1", "-vf", f"{scale},format=yuv420p,{aspect}"]


def _run(command: list[str], path: Path, frames: Frames | None) -> None:
    quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    # With a second pipe Python would send the frames in pieces of 512 bytes, each waiting for the GIL.
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            [command[0], *quiet, *command[1:], str(path)],
            input=b"" if frames is None else frames.data,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        errors.seek(0)
        message = errors.read().decode(errors="replace").strip()[-400:]
    if done.returncode:
        raise ToolError(f"{command[0]} could not write {path}: {message or f'exit {done.returncode}'}.")
