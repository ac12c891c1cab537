"""The FFmpeg binary: which one, what it can do, which version."""

import functools
import subprocess
from pathlib import Path

from vidprep.errors import ToolError

_REMEDY = "Leave --ffmpeg out to use the one that comes with vidprep."


def find_ffmpeg(path: str | None = None) -> str:
    """Return the path of the FFmpeg binary to use.

    Args:
        path: A binary of the user's; by default imageio-ffmpeg's, which is static and pinned, so that the
            bytes are the same on every machine.

    Raises:
        ToolError: If there is none, or it does not run.
    """
    if path is None:
        import imageio_ffmpeg  # here, so that --help does not pay for it

        try:
            path = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:
            raise ToolError(
                "imageio-ffmpeg brings no FFmpeg for this machine. Pass --ffmpeg PATH."
            ) from error
    ffmpeg_version(path)
    return path


@functools.cache
def ffmpeg_version(path: str) -> str:
    """Return the version that `path` names itself by, e.g. "n9.0.2-17-g2a571b6068-20260930".

    Raises:
        ToolError: If `path` is no FFmpeg that runs.
    """
    words = _run(path, "-version").stdout.split()
    if len(words) < 3 or words[:2] != ["ffmpeg", "version"]:
        raise ToolError(f"{path} is no FFmpeg: it does not name its version. {_REMEDY}")
    return words[2]


@functools.cache
def check_encoder(path: str, encoder: str) -> None:
    """Make sure that FFmpeg has an encoder.

    Raises:
        ToolError: If it was built without.
    """
    listed = _run(path, "-hide_banner", "-encoders").stdout
    if encoder not in {line.split()[1] for line in listed.splitlines() if len(line.split()) > 1}:
        raise ToolError(
            f"{path} (version {ffmpeg_version(path)}) was built without the encoder '{encoder}'. {_REMEDY}"
        )


def _run(path: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [path, *options]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolError(f"No FFmpeg at {Path(path)}. {_REMEDY}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{path} does not run: {error}. {_REMEDY}") from error
