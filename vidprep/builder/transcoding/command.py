"""The FFmpeg command lines: one filter graph and one set of options per recipe."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg

from vidprep.builder.transcoding.segments import Cut
from vidprep.recipes.recipe import Transcode
from vidprep.shards.passports.content_hash import GRID_HEIGHT, GRID_WIDTH

# Containers that raw videos come in. Playlists and scripts (hls, concat, ...) are left out: they name other
# files.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif,m4v,h264,hevc,ivf"

_QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+verbose")
# Take nothing from the source but its pictures, and write nothing that depends on the day or the machine.
_CLEAN: dict[str, Any] = {
    "an": None,
    "map_metadata": -1,
    "map_chapters": -1,
    "fflags": "+bitexact",
    "format": "mp4",
    "movflags": "+faststart",
}


def encode_command(
    ffmpeg_path: str,
    source: Path,
    target: Path,
    settings: Transcode,
    *,
    decoder: str | None = None,
    cut: Cut | None = None,
    frame_rate: float = 0.0,
) -> list[str]:
    """Return the command that decodes a video and stores it as the recipe says, frame by frame.

    Args:
        decoder: Name of the FFmpeg decoder to use; None: FFmpeg chooses.
        cut: The part of the source to store; None: all of it.
        frame_rate: Images a second, if the source is a file of concatenated images; 0.0: it is a video.
    """
    return _with_files(_encode_template(ffmpeg_path, settings, decoder, cut, frame_rate), source, target)


def remux_command(ffmpeg_path: str, source: Path, target: Path) -> list[str]:
    """Return the command that moves the video packets, as they are, into an MP4."""
    return _with_files(_remux_template(ffmpeg_path), source, target)


def decode_command(
    ffmpeg_path: str, source: Path, decoder: str | None = None, *, cut: Cut | None = None
) -> list[str]:
    """Return the command that decodes a video and throws the frames away.

    Args:
        decoder: Name of the FFmpeg decoder to use; None: FFmpeg chooses.
        cut: The part of the source to decode; None: all of it.
    """
    return _with_files(_decode_template(ffmpeg_path, decoder, cut), source, target=Path())


def grids_command(
    ffmpeg_path: str,
    source: Path,
    target: Path,
    *,
    decoder: str | None = None,
    cut: Cut | None = None,
    frame_rate: float = 0.0,
) -> list[str]:
    """Return the command that decodes a video and writes (8, 9) grey levels of every frame, a byte each.

    Args:
        decoder: Name of the FFmpeg decoder to use; None: FFmpeg chooses.
        cut: The part of the source to look at; None: all of it.
        frame_rate: Images a second, if the source is a file of concatenated images; 0.0: it is a video.
    """
    return _with_files(_grids_template(ffmpeg_path, decoder, cut, frame_rate), source, target)


# ffmpeg-python takes milliseconds to write a command that is the same for every video, but for two names.
_SOURCE, _TARGET = "file:SOURCE", "file:TARGET"


def _with_files(template: tuple[str, ...], source: Path, target: Path) -> list[str]:
    files = {_SOURCE: f"file:{source}", _TARGET: f"file:{target}"}
    return [files.get(word, word) for word in template]


@functools.lru_cache(maxsize=32)  # each part of a source has a command of its own
def _encode_template(
    ffmpeg_path: str, settings: Transcode, decoder: str | None, cut: Cut | None, frame_rate: float
) -> tuple[str, ...]:
    source = _input(cut, frame_rate, decoder)["V:0"]
    video = _upright_square_pixels(_cut(source, cut) if cut else source, settings)
    options = _CLEAN | {
        "fps_mode": "passthrough",  # every decoded frame once, none added, none dropped
        "flags:v": "+bitexact",
        # The last frame stays as long as the others, not as long as in a source of variable frame rate.
        "bsf:v": r"setts=pts=PTS:dts=DTS:duration=if(N\,DTS-PREV_INDTS\,DURATION)",
        **_ENCODER_OPTIONS[settings.encoder](settings),
    }
    return _compile(_on_its_clock(ffmpeg.output(video, _TARGET, **options), cut), ffmpeg_path)


@functools.cache
def _remux_template(ffmpeg_path: str) -> tuple[str, ...]:
    output = ffmpeg.output(_input()["V:0"], _TARGET, **_CLEAN, **{"c:v": "copy"})
    return _compile(output, ffmpeg_path)


@functools.lru_cache(maxsize=32)
def _decode_template(ffmpeg_path: str, decoder: str | None, cut: Cut | None) -> tuple[str, ...]:
    options = {"an": None, "fps_mode": "passthrough", "format": "null"}
    video = _input(cut, decoder=decoder)["V:0"]
    output = ffmpeg.output(_cut(video, cut) if cut else video, "-", **options)
    return _compile(_on_its_clock(output, cut), ffmpeg_path)


@functools.lru_cache(maxsize=32)
def _grids_template(
    ffmpeg_path: str, decoder: str | None, cut: Cut | None, frame_rate: float
) -> tuple[str, ...]:
    source = _input(cut, frame_rate, decoder)["V:0"]
    frames = _cut(source, cut) if cut else source
    cells = frames.filter("scale", w=GRID_WIDTH, h=GRID_HEIGHT, flags="area+accurate_rnd+bitexact")
    options = {"an": None, "fps_mode": "passthrough", "format": "rawvideo"}
    output = ffmpeg.output(cells.filter("format", "gray"), _TARGET, **options)
    return _compile(_on_its_clock(output, cut), ffmpeg_path)


def _on_its_clock(output: Any, cut: Cut | None) -> Any:
    """Keep the times of a source that is cut: its own, counted from its first frame."""
    return output.global_args("-copyts", "-start_at_zero") if cut else output


def _cut(video: Any, cut: Cut) -> Any:
    # `trim` ends the reading; as an option of the input FFmpeg would count from where its seek landed.
    if cut.stop_seconds is not None:
        video = video.filter("trim", end=f"{cut.stop_seconds:.6f}")
    if cut.stop_frame is not None:
        video = video.filter("trim", end_frame=cut.stop_frame)
    return video.filter("select", cut.expression)


def _input(cut: Cut | None = None, frame_rate: float = 0.0, decoder: str | None = None) -> Any:
    options: dict[str, Any] = {"format": "mjpeg", "framerate": frame_rate} if frame_rate else {}
    if cut and cut.seek_seconds is not None:
        # The filter chooses the frames; FFmpeg's own trimming rounds to its clock.
        options |= {"ss": f"{cut.seek_seconds:.6f}", "noaccurate_seek": None}
    if decoder:
        options["c:v"] = decoder
    return ffmpeg.input(
        _SOURCE,
        **options,
        protocol_whitelist="file",
        format_whitelist="mjpeg" if frame_rate else _CONTAINERS,
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
