"""Videos for tests: every frame carries its own number, so that a test sees WHICH frame came back."""

import subprocess
from pathlib import Path

import av
import numpy as np

from vidprep.ffmpeg import find_ffmpeg

_BITS = 8


def numbered_frames(numbers, *, width=128, height=96):
    """Grey frames (T, H, W): the top half is the number in 8 black or white bars, the bottom half grey."""
    bars = (np.asarray(list(numbers))[:, None] >> np.arange(_BITS)) & 1
    top = np.repeat(bars * 215 + 20, width // _BITS, axis=1)
    frames = np.full((len(bars), height, width), 128, dtype=np.uint8)
    frames[:, : height // 2, : top.shape[1]] = top[:, None, :]
    return frames


def read_numbers(frames):
    """The numbers of (T, H, W) frames, wherever the video was scaled to."""
    height, width = frames.shape[1:]
    centres = ((np.arange(_BITS) + 0.5) * width / _BITS).astype(int)
    bits = frames[:, height // 4, :][:, centres] > 128
    return [int(value) for value in (bits << np.arange(_BITS)).sum(axis=1)]


def decode_grey(video):
    """All frames of a file or of bytes as (T, H, W) luma."""
    with av.open(str(video) if isinstance(video, Path) else video) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def write_video(path, frames, *, fps=30, codec="libx264", options=(), input_options=(), filters="null"):
    """Encode (T, H, W) grey frames with FFmpeg; `options` are FFmpeg's own."""
    height, width = frames.shape[1:]
    command = [
        find_ffmpeg(),
        *("-loglevel", "error", "-y", *input_options, "-f", "rawvideo", "-pix_fmt", "gray"),
        *("-s", f"{width}x{height}", "-r", str(fps), "-i", "-", "-vf", filters),
        *("-c:v", codec, "-pix_fmt", "yuv420p", *map(str, options), str(path)),
    ]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


def numbered_video(path, num_frames=20, *, width=128, height=96, **options):
    """A video of `num_frames` numbered frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, numbered_frames(range(num_frames), width=width, height=height), **options)


def run_ffmpeg(*arguments):
    """Run FFmpeg for a video that the functions above cannot make."""
    command = [find_ffmpeg(), "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
