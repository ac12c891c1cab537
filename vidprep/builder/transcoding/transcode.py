"""One raw video to one stored video, or the reason why not.

Only the FFmpeg child opens a source; this process sees nothing of it but FFmpeg's log and, in "encode" mode,
the file that FFmpeg wrote.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import av

from vidprep.builder.transcoding.child import Ended, run_child
from vidprep.builder.transcoding.command import decode_command, encode_command, remux_command
from vidprep.builder.transcoding.ffmpeg_log import FFmpegLog, parse_log
from vidprep.errors import BuildError, BuildStopped, SourceError, VideoRejected
from vidprep.recipes.recipe import Transcode

_SIGINT, _SIGKILL, _SIGTERM = 2, 9, 15
_NO_ROOM = ("No space left on device", "Disk quota exceeded")
_BAD_STORAGE = ("Input/output error", "Stale file handle", "Transport endpoint is not connected")
_NO_STREAM = ("matches no streams",)
_NO_MEMORY = ("Cannot allocate memory", "Out of memory", "malloc of size", "get_buffer() failed")


@dataclass(frozen=True)
class TranscodedVideo:
    """A video as it will lie in the shard.

    Attributes:
        path: The MP4.
        num_frames: Frames that were stored.
        width: In pixels.
        height: In pixels.
        fps: Nominal: frame i is shown at i / fps seconds; 0.0 if the source does not tell.
        detail: For the ledger: FFmpeg's description of the source, and what is missing of a partial video.
    """

    path: Path
    num_frames: int
    width: int
    height: int
    fps: float
    detail: str


def transcode(source: Path, scratch_dir: Path, settings: Transcode, ffmpeg_path: str) -> TranscodedVideo:
    """Store a video as the recipe says; `check_stored` has the last word on it.

    Args:
        scratch_dir: An empty folder of the caller's; the stored video is written into it.

    Raises:
        VideoRejected: If the video cannot be used; `reason` and `detail` say why.
        BuildError: If the disk is full, or FFmpeg's log cannot be read.
        SourceError: If the storage of the source fails.
        BuildStopped: If somebody else told FFmpeg to stop.
    """
    store = {"encode": _encode, "copy": _copy}[settings.mode]
    video = store(source, scratch_dir / "video.mp4", settings, ffmpeg_path)
    if video.num_frames < settings.min_frames:
        raise VideoRejected(
            "too_few_frames", f"{video.num_frames} frames, min_frames = {settings.min_frames}; {video.detail}"
        )
    return video


def check_stored(video: TranscodedVideo, settings: Transcode) -> TranscodedVideo:
    """Decode a video that FFmpeg has just written, from end to end, and compare the number of its frames.

    In "copy" mode the child has done so already: this process does not open bytes of strangers.

    Returns:
        The video, with the exact frame rate.

    Raises:
        VideoRejected: If it does not decode to the frames that were encoded.
    """
    if settings.mode == "copy":
        return video
    try:
        with av.open(str(video.path), format="mp4") as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # one core a worker
            num_frames = sum(1 for _ in container.decode(stream))
            rate, width, height = stream.average_rate, stream.width, stream.height
    except (av.FFmpegError, IndexError) as error:  # IndexError: no video stream
        raise VideoRejected(
            "frame_count", f"the stored video does not decode: {error}; {video.detail}"
        ) from error
    if num_frames != video.num_frames:
        raise VideoRejected(
            "frame_count", f"{video.num_frames} frames encoded, {num_frames} decode again; {video.detail}"
        )
    return replace(video, width=width, height=height, fps=float(rate) if rate else 0.0)


def _encode(source: Path, target: Path, settings: Transcode, ffmpeg_path: str) -> TranscodedVideo:
    log = _run(encode_command(ffmpeg_path, source, target, settings), settings)
    detail = _check_whole(log, settings)
    if log.num_frames_decoded != log.num_frames_encoded:
        raise VideoRejected(
            "frame_count",
            f"{log.num_frames_decoded} frames decoded, {log.num_frames_encoded} encoded; {detail}",
        )
    return TranscodedVideo(target, log.num_frames_encoded, log.width, log.height, log.fps, detail)


def _copy(source: Path, target: Path, settings: Transcode, ffmpeg_path: str) -> TranscodedVideo:
    log = _run(decode_command(ffmpeg_path, source), settings)
    detail = _check_whole(log, settings)
    video = TranscodedVideo(target, log.num_frames_decoded, log.width, log.height, log.fps, detail)
    if "mp4" in log.container.split(","):
        return replace(video, path=source)
    _run(remux_command(ffmpeg_path, source, target), settings)
    stored = _run(decode_command(ffmpeg_path, target), settings)
    if stored.num_frames_decoded != video.num_frames:
        raise VideoRejected(
            "frame_count",
            f"{video.num_frames} frames before remuxing to MP4, {stored.num_frames_decoded} after; {detail}",
        )
    return video


def _run(command: list[str], settings: Transcode) -> FFmpegLog:
    """Run FFmpeg on a video and return its log, or raise what its end means."""
    ended = _run_again_if_killed(command, settings)
    log = parse_log(ended.log)
    if _says(log, _NO_ROOM):
        raise BuildError(
            f"No room left for temporary files in {tempfile.gettempdir()}. Finished shards are kept: free "
            "some space there, or set TMPDIR to another folder, and run the same build again."
        )
    if _says(log, _BAD_STORAGE):
        raise SourceError(
            f"{_source_of(command)}: {'; '.join(log.errors[:2])}. The storage fails, not the video: mend "
            "it and run the same build again. Finished shards are kept."
        )
    if log.stopped_by_signal or -ended.returncode in (_SIGINT, _SIGTERM):
        raise BuildStopped("FFmpeg was told to stop from outside. Run the same build again to resume it.")
    if ended.timed_out:
        raise VideoRejected(
            "timed_out", f"FFmpeg needed more than timeout_seconds = {settings.timeout_seconds:g}"
        )
    if ended.returncode or _says(log, _NO_MEMORY):
        raise VideoRejected(_reason(ended, log), _last_words(ended, log))
    if not log.has_counts:
        raise BuildError(
            f"{_source_of(command)}: FFmpeg ended well but did not count its frames; its log cannot be read. "
            f"Its last words: {ended.log[-200:]!r}."
        )
    return log


def _says(log: FFmpegLog, words: tuple[str, ...]) -> bool:
    return any(word in line for line in log.errors for word in words)


def _source_of(command: list[str]) -> str:
    return command[command.index("-i") + 1].removeprefix("file:")


def _run_again_if_killed(command: list[str], settings: Transcode) -> Ended:
    """Run FFmpeg, twice when it is killed from outside, as the kernel does when memory is short."""
    ended = Ended(-_SIGKILL, "")
    for _ in range(2):
        ended = run_child(command, timeout_seconds=settings.timeout_seconds, memory_mb=settings.memory_mb)
        if ended.timed_out or -ended.returncode != _SIGKILL:
            break
    return ended


def _reason(ended: Ended, log: FFmpegLog) -> str:
    """Return why FFmpeg failed, in a word of `REASONS`."""
    if _says(log, _NO_MEMORY) or -ended.returncode == _SIGKILL:
        return "out_of_memory"
    if ended.returncode < 0:
        return "crashed"
    if not log.container:
        return "unreadable"
    if _says(log, _NO_STREAM):
        return "no_video_stream"
    return "encode_failed" if log.num_frames_decoded else "undecodable"


def _last_words(ended: Ended, log: FFmpegLog) -> str:
    if _says(log, _NO_STREAM):
        return f"streams found: {', '.join(log.streams) or 'none'}"
    how = f"killed by signal {-ended.returncode}" if ended.returncode < 0 else f"exit {ended.returncode}"
    said = "; ".join(log.errors[:2]) or "without a word"
    return f"FFmpeg {how}: {said}"[:500]


def _check_whole(log: FFmpegLog, settings: Transcode) -> str:
    """Return the ledger's detail of a video that decodes, in whole or as `partial` allows."""
    if log.num_frames_decoded == 0:
        raise VideoRejected("undecodable", f"no frame decodes; {log.source_stream}")
    # Half, because sound may last longer than pictures, and then the header's duration is the sound's.
    shortfall = 2 * log.num_frames_decoded < log.num_frames_announced
    if not (log.complaints or log.num_decode_errors or shortfall):
        return log.source_stream
    announced = f" ({log.num_frames_announced} announced)" if log.num_frames_announced else ""
    seen = f"{log.num_frames_decoded} frames decode of {log.num_packets} packets read{announced}"
    damage = "; ".join([seen, *log.complaints[:2]])[:500]
    if settings.partial == "reject":
        raise VideoRejected("partial", damage)
    return f"partial: {damage}; {log.source_stream}"
