"""Turn one raw video into a stored one, or say why not.

Only the FFmpeg child decodes a source. This process sees FFmpeg's log, the bytes that count or bound what an
AVI or a transport stream holds and, in "encode" mode, the file that FFmpeg wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import av
import numpy as np

from vidprep.builder.transcoding.command import decode_command, encode_command, grids_command, remux_command
from vidprep.builder.transcoding.ffmpeg_log import FFmpegLog
from vidprep.builder.transcoding.ffmpeg_run import run_ffmpeg
from vidprep.builder.transcoding.frame_counts import lacks_frames
from vidprep.builder.transcoding.segments import Cut, check_inside, is_trustworthy, plan_cut
from vidprep.builder.transcoding.suspicion.log_suspicion import log_suspicion
from vidprep.builder.transcoding.suspicion.pictures import PictureWatcher
from vidprep.builder.transcoding.watching import count_watched
from vidprep.errors import VideoRejected
from vidprep.ffmpeg import has_decoder
from vidprep.recipes.recipe import Transcode
from vidprep.shards.passports.content_hash import (
    GRID_HEIGHT,
    GRID_WIDTH,
    ContentWatcher,
    content_hash,
    sampled_frames,
)
from vidprep.shards.segment import Segment

_STRICT_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class TranscodedVideo:
    """A video as it will lie in the shard.

    Attributes:
        path: The MP4.
        num_frames: Frames that were stored.
        width: Width in pixels.
        height: Height in pixels.
        fps: Nominal rate: frame i is shown at i / fps seconds; 0.0 if the source does not tell.
        detail: The ledger's `detail`: FFmpeg's description of the source, and what a partial video lacks.
        source_size: Width and height of the source's pictures, upright, in their own pixels.
        suspect: A word of `SUSPICIONS` if it looks damaged, else "".
        content: Fingerprint of what it shows, for the passport; None until `check_stored`, or in "copy" mode.
    """

    path: Path
    num_frames: int
    width: int
    height: int
    fps: float
    detail: str
    source_size: tuple[int, int] = (0, 0)
    suspect: str = ""
    content: bytes | None = None


@dataclass(frozen=True)
class RawVideo:
    """What a raw video holds, as far as a passport tells.

    Attributes:
        num_frames: Frames that decode.
        content: Fingerprint of what it shows.
    """

    num_frames: int
    content: bytes


def transcode(
    source: Path,
    scratch_dir: Path,
    settings: Transcode,
    ffmpeg_path: str,
    *,
    segment: Segment | None = None,
    frame_rate: float = 0.0,
) -> TranscodedVideo:
    """Store a video as the recipe says; `check_stored` has the last word on it.

    Args:
        scratch_dir: An empty folder of the caller's; the stored video is written into it.
        segment: The part to store; None: all of it. Needs mode "encode", as images do.
        frame_rate: Images a second, if the source is a file of concatenated JPEGs; 0.0: it is a video.

    Raises:
        VideoRejected: If the video cannot be used; `reason` and `detail` say why.
        BuildError: If the disk is full, or FFmpeg's log cannot be read.
        SourceError: If the storage of the source fails.
        BuildStopped: If another process told FFmpeg to stop.
    """
    target = scratch_dir / "video.mp4"
    if segment:
        video = _encode_segment(source, target, settings, ffmpeg_path, segment)
    elif settings.mode == "copy":
        video = _copy(source, target, settings, ffmpeg_path)
    else:
        video = _encode(source, target, settings, ffmpeg_path, frame_rate)
    _check_length(video.num_frames, settings, video.detail)
    return video


def look_at_raw(
    source: Path,
    scratch_dir: Path,
    settings: Transcode,
    ffmpeg_path: str,
    *,
    segment: Segment | None = None,
    frame_rate: float = 0.0,
) -> RawVideo:
    """Decode a raw video in a child to see whether a build could use it, and take its fingerprint.

    Args:
        scratch_dir: An empty folder of the caller's.
        segment: The part to look at; None: all of it.
        frame_rate: Images a second, if the source is a file of concatenated JPEGs; 0.0: it is a video.

    Raises:
        VideoRejected: If a build could not use it, as far as decoding tells.
        BuildError, BuildStopped, SourceError: As `transcode`.
    """
    grids_path = scratch_dir / "grids"

    command = partial(grids_command, ffmpeg_path, source, grids_path, frame_rate=frame_rate)
    if segment:
        log, detail = _read_segment(command, source, settings, ffmpeg_path, segment)
        num_frames = log.num_frames_encoded
    else:
        log = _read_whole(command, source, settings, ffmpeg_path)
        detail = _check_whole(log, settings)
        num_frames = log.num_frames_decoded
    _check_length(num_frames, settings, detail)
    grids = np.fromfile(grids_path, np.uint8).reshape(-1, GRID_HEIGHT, GRID_WIDTH)
    if len(grids) != num_frames:
        raise VideoRejected(
            "frame_count", f"{num_frames} frames decoded, {len(grids)} came out of the filter; {detail}"
        )
    return RawVideo(num_frames, content_hash([grids[number] for number in sampled_frames(num_frames)]))


def _check_length(num_frames: int, settings: Transcode, detail: str) -> None:
    if num_frames < settings.min_frames:
        raise VideoRejected(
            "too_few_frames", f"{num_frames} frames, min_frames = {settings.min_frames}; {detail}"
        )


def check_stored(video: TranscodedVideo, settings: Transcode) -> TranscodedVideo:
    """Decode a video that FFmpeg has just written, from end to end, and compare the number of its frames.

    In "copy" mode the child has done so already: this process never opens bytes from outside.

    Returns:
        The video, with the exact frame rate and the fingerprint of what it shows.

    Raises:
        VideoRejected: If it does not decode to the frames that were encoded.
    """
    if settings.mode == "copy":
        return video
    pictures, content = PictureWatcher(video.source_size), ContentWatcher(video.num_frames)
    try:
        with av.open(str(video.path), format="mp4") as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # one core a worker
            num_frames = count_watched(container.decode(stream), [pictures, content])
            rate, width, height = stream.average_rate, stream.width, stream.height
    except (av.FFmpegError, IndexError) as error:  # IndexError: no video stream
        raise VideoRejected(
            "frame_count", f"the stored video does not decode: {error}; {video.detail}"
        ) from error
    if num_frames != video.num_frames:
        raise VideoRejected(
            "frame_count", f"{video.num_frames} frames encoded, {num_frames} decode again; {video.detail}"
        )
    word, frame = pictures.suspicion()
    return replace(
        video,
        width=width,
        height=height,
        fps=float(rate) if rate else 0.0,
        detail=f"{video.detail}; suspect: {word} from frame {frame}" if word else video.detail,
        suspect=word or video.suspect,
        content=content.content(),
    )


def _encode_segment(
    source: Path, target: Path, settings: Transcode, ffmpeg_path: str, segment: Segment
) -> TranscodedVideo:
    command = partial(encode_command, ffmpeg_path, source, target, settings)
    log, detail = _read_segment(command, source, settings, ffmpeg_path, segment)
    return _transcoded(target, log, detail, None)


def _read_segment(
    command: Callable[..., list[str]],
    source: Path,
    settings: Transcode,
    ffmpeg_path: str,
    segment: Segment,
) -> tuple[FFmpegLog, str]:
    """Run a command on a part of a source, from shortly before it, or from the beginning where that fails.

    Returns:
        FFmpeg's log, and the ledger's detail.
    """
    for seek in (True, False):
        cut = plan_cut(segment, seek=seek)
        log = run_ffmpeg(command(cut=cut), settings)
        if is_trustworthy(log, cut, segment):
            break
    check_inside(log, segment)
    log = _with_second_opinion(log, source, settings, ffmpeg_path, cut)
    return log, f"segment {segment}; {_check_whole(log, settings, is_part=True)}"


def _encode(
    source: Path, target: Path, settings: Transcode, ffmpeg_path: str, frame_rate: float
) -> TranscodedVideo:
    command = partial(encode_command, ffmpeg_path, source, target, settings, frame_rate=frame_rate)
    log = _read_whole(command, source, settings, ffmpeg_path)
    detail = _check_whole(log, settings)
    if log.num_frames_decoded != log.num_frames_encoded:
        raise VideoRejected(
            "frame_count",
            f"{log.num_frames_decoded} frames decoded, {log.num_frames_encoded} encoded; {detail}",
        )
    return _transcoded(target, log, detail, source)


def _transcoded(target: Path, log: FFmpegLog, detail: str, whole_source: Path | None) -> TranscodedVideo:
    return TranscodedVideo(
        *(target, log.num_frames_encoded, log.width, log.height, log.fps, detail, log.source_size),
        suspect=log_suspicion(log, whole_source),
    )


def _copy(source: Path, target: Path, settings: Transcode, ffmpeg_path: str) -> TranscodedVideo:
    log = _read_whole(partial(decode_command, ffmpeg_path, source), source, settings, ffmpeg_path)
    detail = _check_whole(log, settings)
    video = TranscodedVideo(
        *(target, log.num_frames_decoded, log.width, log.height, log.fps, detail),
        suspect=log_suspicion(log, source),
    )
    if "mp4" in log.container.split(","):
        return replace(video, path=source)
    run_ffmpeg(remux_command(ffmpeg_path, source, target), settings)
    stored = run_ffmpeg(decode_command(ffmpeg_path, target), settings)
    if stored.num_frames_decoded != video.num_frames:
        raise VideoRejected(
            "frame_count",
            f"{video.num_frames} frames before remuxing to MP4, {stored.num_frames_decoded} after; {detail}",
        )
    return video


def _read_whole(
    command: Callable[..., list[str]], source: Path, settings: Transcode, ffmpeg_path: str
) -> FFmpegLog:
    """Run a command on all of a source; return its log, with the second opinion on VP8 and VP9.

    Every decoder makes the same pictures of a VP9 video. So a WebM is first decoded by libvpx, and only by it
    if it finds nothing wrong; else the command is run again, as if libvpx had not been tried.

    Args:
        command: Returns the command; takes the keyword `decoder`.
    """
    strict = _STRICT_DECODERS["vp9"]
    if source.suffix.lower() == ".webm" and has_decoder(ffmpeg_path, strict):
        try:
            log = run_ffmpeg(command(decoder=strict), settings)
        except VideoRejected as rejected:
            if rejected.reason == "timed_out":
                raise
        else:
            if log.source_codec == "vp9" and _is_plain(log) and not _is_damaged(log):
                return replace(log, source_stream=log.source_stream.replace(f" ({strict})", "", 1))
    log = run_ffmpeg(command(), settings)
    return _with_second_opinion(log, source, settings, ffmpeg_path)


def _with_second_opinion(
    log: FFmpegLog, source: Path, settings: Transcode, ffmpeg_path: str, cut: Cut | None = None
) -> FFmpegLog:
    """Add what the codec's reference decoder complains about, where FFmpeg's own notices next to nothing.

    FFmpeg's VP8 and VP9 decoders do not care whether a packet ends before its pictures do; libvpx does.
    """
    decoder = _STRICT_DECODERS.get(log.source_codec)
    if (
        decoder is None
        or log.complaints
        or log.num_decode_errors
        or not _is_plain(log)
        or not has_decoder(ffmpeg_path, decoder)
    ):
        return log
    strict = run_ffmpeg(decode_command(ffmpeg_path, source, decoder, cut=cut), settings)
    return replace(log, complaints=strict.complaints, num_decode_errors=strict.num_decode_errors)


def _is_plain(log: FFmpegLog) -> bool:
    return "yuv420p(" in log.source_stream or "yuv420p," in log.source_stream


def _is_damaged(log: FFmpegLog, *, is_part: bool = False) -> bool:
    lacking = log.num_frames_decoded == 0 or (not is_part and lacks_frames(log))
    return bool(log.complaints or log.num_decode_errors or lacking)


def _check_whole(log: FFmpegLog, settings: Transcode, *, is_part: bool = False) -> str:
    """Return the ledger's detail of a video that decodes, in whole or as `partial` allows.

    Raises:
        VideoRejected: If no frame decodes, or only some and `partial` is "reject".
    """
    if log.num_frames_decoded == 0:
        raise VideoRejected("undecodable", f"no frame decodes; {log.source_stream}")
    if not _is_damaged(log, is_part=is_part):
        return log.source_stream
    announced = f" ({log.num_frames_announced} announced)" if log.num_frames_announced else ""
    seen = f"{log.num_frames_decoded} frames decode of {log.num_packets} packets read{announced}"
    damage = "; ".join([seen, *log.complaints[:2]])[:500]
    if settings.partial == "reject":
        raise VideoRejected("partial", damage)
    return f"partial: {damage}; {log.source_stream}"
