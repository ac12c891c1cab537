"""The FFmpeg binary: which one, what it can do, which version."""

import functools
import importlib.resources
import os
import subprocess
from pathlib import Path

from vidprep.errors import ToolError

_REMEDY = "Leave --ffmpeg out to use the one that comes with vidprep."


def find_ffmpeg(path: str | None = None) -> str:
    """Return the path of the FFmpeg binary to use.

    Args:
        path: Path of the user's FFmpeg; None: imageio-ffmpeg's, which is static and pinned, so that the
            bytes are the same on every machine.

    Raises:
        ToolError: If there is none, or it does not run.
    """
    path = path or os.environ.get("IMAGEIO_FFMPEG_EXE") or _packaged_ffmpeg()
    ffmpeg_version(path)
    return path


@functools.cache
def _packaged_ffmpeg() -> str:
    """Return the binary inside imageio-ffmpeg.

    imageio-ffmpeg's own `get_ffmpeg_exe` silently falls back to the system's FFmpeg if its binary does not
    run, e.g. when the kernel kills it for lack of memory. That is another FFmpeg, which writes other bytes.
    """
    binaries = Path(str(importlib.resources.files("imageio_ffmpeg"))) / "binaries"
    found = sorted(path for path in binaries.glob("ffmpeg-*") if path.is_file())
    if not found:
        raise ToolError(
            f"imageio-ffmpeg brings no FFmpeg for this machine (none in {binaries}). Pass --ffmpeg PATH."
        )
    return str(found[-1])


@functools.cache
def ffmpeg_version(path: str) -> str:
    """Return the version that the binary reports, e.g. "n9.0.2-17-g2a571b6068-20260930".

    Raises:
        ToolError: If `path` is no FFmpeg that runs.
    """
    done = _run(path, "-version")
    if done.returncode < 0:
        raise ToolError(
            f"{path} was killed by signal {-done.returncode} when asked for its version. Is memory short? "
            "No other FFmpeg is taken in its place: run the same command again."
        )
    words = done.stdout.split()
    if len(words) < 3 or words[:2] != ["ffmpeg", "version"]:
        raise ToolError(f"{path} is no FFmpeg: it does not name its version. {_REMEDY}")
    return words[2]


@functools.cache
def check_encoder(path: str, encoder: str) -> None:
    """Check that FFmpeg was built with an encoder.

    Raises:
        ToolError: If it was built without this encoder.
    """
    listed = _run(path, "-hide_banner", "-encoders").stdout
    if encoder not in {line.split()[1] for line in listed.splitlines() if len(line.split()) > 1}:
        raise ToolError(
            f"{path} (version {ffmpeg_version(path)}) was built without the encoder '{encoder}'. {_REMEDY}"
        )


@functools.cache
def has_decoder(path: str, decoder: str) -> bool:
    """Tell whether FFmpeg was built with a decoder."""
    listed = _run(path, "-hide_banner", "-decoders").stdout
    return decoder in {line.split()[1] for line in listed.splitlines() if len(line.split()) > 1}


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
