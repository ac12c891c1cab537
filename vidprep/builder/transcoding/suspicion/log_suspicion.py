"""Signs of damage in FFmpeg's log, and in the container, of a video that decodes without an error.

None of them is a reason to reject a video. Of the file itself, only its counts, sizes and ends are read.
"""

import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from vidprep.builder.transcoding.ffmpeg_log import FFmpegLog
from vidprep.files import open_regular

# No healthy video of ours made FFmpeg say one of these. A transport stream recorded off the air may.
_LOST = ("Packet corrupt", "corrupt input packet", "Skipping invalid undecodable NALU")
_TURNED = ("Odd rotation angle",)
# Where the last two packets of a transport stream begin, from its end: plain, with time codes in front of
# each, with check bytes behind each.
_TS_STARTS = ((188, 376), (188, 380), (204, 408))
_TS_SYNC = 0x47
# Of an AVI whose writer did not come to its end, or could not seek back to its beginning.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_AVI_FIRST_CHUNK, _MAX_INDEX_BYTES = 12, 16 * 2**20
_MAX_CHUNKS = 1000  # a handful in a real one


def log_suspicion(log: FFmpegLog, source: Path | None) -> str:
    """Return a word of `SUSPICIONS`, or "".

    Args:
        source: The file, if FFmpeg read all of it; None: a part was wanted.
    """
    if _warns(log, _LOST):
        return "lost_packets"
    if source is not None:
        try:
            with open_regular(source) as file:
                if log.container == "avi" and _lacks_packets(log, file):
                    return "lost_packets"
                if _is_cut_off(log, file):
                    return "cut_off"
        except OSError:  # it is gone: the check at the end says so
            return ""
    return "odd_rotation" if _warns(log, _TURNED) else ""


def _warns(log: FFmpegLog, words: tuple[str, ...]) -> bool:
    return any(warning.startswith(words) for warning in log.warnings)


def _lacks_packets(log: FFmpegLog, file: BufferedReader) -> bool:
    """Tell whether an AVI holds fewer packets than its index names, or than its duration has frames.

    That may be the duration of sound where there is any.
    """
    is_silent = all(stream.startswith("Video") for stream in log.streams)
    announced = max(_num_indexed(file), log.num_frames_by_duration if is_silent else 0)
    return 0 < log.num_packets < announced


def _num_indexed(file: BufferedReader) -> int:
    """Return how many packets of pictures the index at the end of an AVI names, empty ones left out.

    Headers count those, too: FFmpeg writes some where sound begins before the pictures.
    """
    index = b""
    for kind, at, size in _chunks(file, _AVI_FIRST_CHUNK):
        if kind == b"idx1":
            file.seek(at)
            index = file.read(min(size, _MAX_INDEX_BYTES))
            break
    entries = [index[start : start + 16] for start in range(0, len(index) // 16 * 16, 16)]
    filled = [entry[:4] for entry in entries if entry[2:4] in (b"dc", b"db") and any(entry[12:])]
    return filled.count(filled[0]) if filled else 0


def _is_cut_off(log: FFmpegLog, file: BufferedReader) -> bool:
    """Tell whether an AVI or a transport stream ends in the midst of what it holds."""
    size = file.seek(0, os.SEEK_END)
    if log.container == "avi":
        return _end_of_riff(file) > size + 1  # a byte of padding may be left out
    if log.container != "mpegts":
        return False
    file.seek(max(0, size - _TS_STARTS[-1][-1]))
    tail = file.read()
    return not any(
        last_but_one <= len(tail) and tail[-last] == tail[-last_but_one] == _TS_SYNC
        for last, last_but_one in _TS_STARTS
    )


def _end_of_riff(file: BufferedReader) -> int:
    """Return where the last RIFF chunk ends by its header; an AVI of more than a GB or two has several."""
    end = 0
    for kind, at, size in _chunks(file, 0):
        if kind != b"RIFF" or size in _UNKNOWN_SIZES:
            break
        end = at + size + size % 2
    return end


def _chunks(file: BufferedReader, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, place and size of the chunks that lie one behind the other from a place on."""
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        yield head[:4], at + 8, size
        at += 8 + size + size % 2
