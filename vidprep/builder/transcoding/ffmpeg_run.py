"""Run FFmpeg on a video: return its log, or raise the error that the way it ended stands for."""

import math
import tempfile

from vidprep.builder.transcoding.child import Ended, run_child
from vidprep.builder.transcoding.ffmpeg_log import FFmpegLog, parse_log
from vidprep.errors import BuildError, BuildStopped, SourceError, VideoRejected
from vidprep.recipes.recipe import Transcode

_SIGINT, _SIGKILL, _SIGTERM = 2, 9, 15
_NO_ROOM = ("No space left on device", "Disk quota exceeded")
_BAD_STORAGE = ("Input/output error", "Stale file handle", "Transport endpoint is not connected")
_NO_STREAM = ("matches no streams",)
_NO_MEMORY = (
    *("Cannot allocate memory", "Could not allocate memory", "Out of memory", "malloc of size"),
    *("get_buffer() failed", "pthread_create() failed"),
)
# Share of memory_mb. FFmpeg does not always say what it lacked; near the limit it is memory. Its size is
# measured only now and then, so a run that was not seen near the limit is repeated with more memory.
_NEAR_LIMIT = 0.8
_MORE_MEMORY = 1.5


def run_ffmpeg(command: list[str], settings: Transcode) -> FFmpegLog:
    """Run FFmpeg on a video and return its log.

    Args:
        command: A command made by `command.py`; the source comes after `-i`.
        settings: Their `timeout_seconds` and `memory_mb` are the child's limits.

    Raises:
        VideoRejected: If the video is the reason: "crashed", "timed_out", "out_of_memory", "unreadable",
            "no_video_stream", "undecodable" or "encode_failed".
        BuildError: If the disk is full, or FFmpeg's log cannot be read.
        SourceError: If the storage of the source fails.
        BuildStopped: If another process told FFmpeg to stop.
    """
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
    if _lacked_memory(command, ended, log, settings):
        raise VideoRejected("out_of_memory", _last_words(ended, log))
    if ended.returncode:
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


def _lacked_memory(command: list[str], ended: Ended, log: FFmpegLog, settings: Transcode) -> bool:
    """Tell whether a run that did not go well failed for memory: a header that asks for exabytes does not."""
    if not (ended.returncode or log.complaints or log.num_decode_errors):
        return False
    if -ended.returncode == _SIGKILL or ended.peak_mb >= _NEAR_LIMIT * settings.memory_mb:
        return True
    said_so = log.container != "" and _says(log, _NO_MEMORY)
    return said_so or _gets_further_with_more_memory(command, ended, log, settings)


def _gets_further_with_more_memory(
    command: list[str], ended: Ended, log: FFmpegLog, settings: Transcode
) -> bool:
    """Tell whether FFmpeg gets further with more memory; with a damaged video it does not.

    The first run's log does not tell: if FFmpeg lacks the memory for a frame, it may call the packet invalid.
    A second run may also get further by chance, as threads meet damage in another order each time. So memory
    is the reason only if a third run, with as much memory as the first, gets less far again.
    """
    more_mb = math.ceil(_MORE_MEMORY * settings.memory_mb)
    with_more = _progress_with(command, settings, more_mb)
    return (
        _progress(ended, log) < with_more
        and _progress_with(command, settings, settings.memory_mb) < with_more
    )


def _progress_with(command: list[str], settings: Transcode, memory_mb: int) -> tuple[bool, bool, int]:
    """Run the command with other outputs and return how far it got; a run that timed out got nowhere."""
    source = command.index("-i") + 1
    elsewhere = [
        f"{word}.again" if word.startswith("file:") and number != source else word
        for number, word in enumerate(command)
    ]
    again = run_child(elsewhere, timeout_seconds=settings.timeout_seconds, memory_mb=memory_mb)
    return (False, False, 0) if again.timed_out else _progress(again, parse_log(again.log))


def _progress(ended: Ended, log: FFmpegLog) -> tuple[bool, bool, int]:
    # Frames written, not frames decoded: how far the decoder gets beyond the end of a segment is chance.
    return (ended.returncode == 0, log.container != "", log.num_frames_encoded)


def _reason(ended: Ended, log: FFmpegLog) -> str:
    """Return why FFmpeg failed, in a word of `REASONS`."""
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
