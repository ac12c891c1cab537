"""The FFmpeg command lines: one filter graph and one set of options per recipe."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg

from vidprep.recipes.recipe import Transcode

# Containers that raw videos come in. Playlists and scripts (hls, concat, ...) name other files: no videos.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif,m4v,h264,hevc,ivf"

_QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+verbose")
# Nothing of the source but its pictures, and nothing that depends on the day or the machine.
_CLEAN: dict[str, Any] = {
    "an": None,
    "map_metadata": -1,
    "map_chapters": -1,
    "fflags": "+bitexact",
    "format": "mp4",
    "movflags": "+faststart",
}


def encode_command(ffmpeg_path: str, source: Path, target: Path, settings: Transcode) -> list[str]:
    """Return the command that decodes a video and stores it as the recipe says, frame by frame."""
    return _with_files(_encode_template(ffmpeg_path, settings), source, target)


def remux_command(ffmpeg_path: str, source: Path, target: Path) -> list[str]:
    """Return the command that moves the video packets, as they are, into an MP4."""
    return _with_files(_remux_template(ffmpeg_path), source, target)


def decode_command(ffmpeg_path: str, source: Path) -> list[str]:
    """Return the command that decodes a video and throws the frames away."""
    return _with_files(_decode_template(ffmpeg_path), source, target=Path())


# ffmpeg-python takes milliseconds to write a command that is the same for every video, but for two names.
_SOURCE, _TARGET = "file:SOURCE", "file:TARGET"


def _with_files(template: tuple[str, ...], source: Path, target: Path) -> list[str]:
    files = {_SOURCE: f"file:{source}", _TARGET: f"file:{target}"}
    return [files.get(word, word) for word in template]


@functools.cache
def _encode_template(ffmpeg_path: str, settings: Transcode) -> tuple[str, ...]:
    video = _upright_square_pixels(_input()["V:0"], settings)
    options = _CLEAN | {
        "fps_mode": "passthrough",  # every decoded frame once, none added, none dropped
        "flags:v": "+bitexact",
        # The last frame stays as long as the others, not as long as in a source of variable frame rate.
        "bsf:v": r"setts=pts=PTS:dts=DTS:duration=if(N\,DTS-PREV_INDTS\,DURATION)",
        **_ENCODER_OPTIONS[settings.encoder](settings),
    }
    return _compile(ffmpeg.output(video, _TARGET, **options), ffmpeg_path)


@functools.cache
def _remux_template(ffmpeg_path: str) -> tuple[str, ...]:
    output = ffmpeg.output(_input()["V:0"], _TARGET, **_CLEAN, **{"c:v": "copy"})
    return _compile(output, ffmpeg_path)


@functools.cache
def _decode_template(ffmpeg_path: str) -> tuple[str, ...]:
    options = {"an": None, "fps_mode": "passthrough", "format": "null"}
    return _compile(ffmpeg.output(_input()["V:0"], "-", **options), ffmpeg_path)


def _input() -> Any:
    return ffmpeg.input(
        _SOURCE,
        protocol_whitelist="file",
        format_whitelist=_CONTAINERS,
        threads=1,
        reinit_filter=0,  # a change of resolution must not restart the frame counter
        max_error_rate=1,  # we judge errors ourselves
    )


def _upright_square_pixels(video: Any, settings: Transcode) -> Any:
    """Scale the short side, after FFmpeg itself has turned the picture upright.

    The colours become limited-range yuv420p with the BT.601 matrix, and are tagged so. BT.601 is what
    decoders assume of untagged video, so that untagged sources (most of them) keep their numbers.
    """
    side = settings.short_side
    video = video.filter(
        "scale",
        w=f"if(gte(iw*sar,ih),2*round({side}*iw*sar/ih/2),{side})",
        h=f"if(gte(iw*sar,ih),{side},2*round({side}*ih/(iw*sar)/2))",
        flags=f"{settings.scaler}+accurate_rnd+bitexact",  # the same pixels on every processor
        out_range="tv",
        out_color_matrix="bt601",
    )
    # Frame i is shown at i / nominal rate, whatever the source's clock did.
    return video.filter("format", "yuv420p").filter("setsar", "1").filter("setpts", "N/FR/TB")


def _x264_options(settings: Transcode) -> dict[str, Any]:
    tune = {} if settings.tune == "none" else {"tune": settings.tune}
    return {
        "c:v": "libx264",
        "preset": settings.preset,
        **tune,
        "crf": settings.crf,
        "threads": 1,  # more threads, other bytes
        "g": settings.gop,
        "bf": settings.bframes,
        "x264-params": "scenecut=0:open-gop=0",
    }


def _nvenc_options(settings: Transcode) -> dict[str, Any]:
    tune = {} if settings.tune == "none" else {"tune": settings.tune}
    return {
        "c:v": "h264_nvenc",
        "preset": settings.preset,
        **tune,
        "rc": "vbr",
        "cq": settings.crf,
        "b:v": 0,
        "g": settings.gop,
        "bf": settings.bframes,
        "no-scenecut": 1,
        "strict_gop": 1,
    }


_ENCODER_OPTIONS: dict[str, Callable[[Transcode], dict[str, Any]]] = {
    "libx264": _x264_options,
    "h264_nvenc": _nvenc_options,
}


def _compile(output: Any, ffmpeg_path: str) -> tuple[str, ...]:
    return tuple(ffmpeg.compile(output, cmd=[ffmpeg_path, *_QUIET], overwrite_output=True))
