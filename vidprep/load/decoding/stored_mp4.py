"""Read the frames of a video that vidprep stored without opening a container.

What vidprep stores is one H.264 track without reordering, its head in front. The head says where each packet
lies and which are key frames, so packet i is frame i and goes straight to a decoder that stays open from
video to video. That saves the demuxer, the seek, and setting up a decoder: a tenth of the time of a clip of
32 frames. Anything else raises `NotStoredError` before a frame is decoded, and the general reader takes over.

Boxes and fields: ISO/IEC 14496-12 (the file format) and 14496-15 (H.264 in it).
"""

import struct
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import add
from typing import NamedTuple, cast

import av
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidprep.shards.video_file import FrameMissingError

_VISUAL_ENTRY_BYTES = 78  # of a VisualSampleEntry, in front of its boxes
_MAX_DECODERS = 16  # one for each size and encoding; a decoder holds some MB of frames

Span = tuple[int, int]
Ints = npt.NDArray[np.int64]


class NotStoredError(Exception):
    """A video is not of the form that vidprep stores; the general reader has to read it."""


class PacketTable(NamedTuple):
    """Where the packets of a video lie.

    Attributes:
        offsets: First byte of each packet.
        sizes: Bytes of each packet.
        keys: Numbers of the key frames, ascending; the first is 0.
        decoder_config: The avcC box, which sets up a decoder.
    """

    offsets: list[int]
    sizes: list[int]
    keys: list[int]
    decoder_config: bytes


class StoredReader:
    """Reads frames of stored videos, one video after another; for one thread."""

    def __init__(self) -> None:
        self._decoders: OrderedDict[bytes, VideoCodecContext] = OrderedDict()

    def read(
        self, video: bytes, wanted: Sequence[int], *, num_frames: int
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (number, frame) of each wanted frame, in order.

        Args:
            video: A whole video file.
            wanted: Frame numbers, ascending, each once.
            num_frames: Frames of the video.

        Raises:
            NotStoredError: If vidprep did not store the video in this form; raised before the first frame.
            FrameMissingError: If a packet does not give its frame.
            av.FFmpegError: If a packet does not decode.
        """
        table = parse_packets(video)
        if len(table.sizes) != num_frames:
            raise NotStoredError(f"{len(table.sizes)} packets, {num_frames} frames")
        return self._decode(video, table, wanted)

    def _decode(
        self, video: bytes, table: PacketTable, wanted: Sequence[int]
    ) -> Iterator[tuple[int, VideoFrame]]:
        decoder = self._decoder(table.decoder_config)
        try:
            upcoming = -1  # number of the next packet
            for number in wanted:
                key = table.keys[bisect_right(table.keys, number) - 1]
                if key > upcoming:
                    if upcoming >= 0:
                        decoder.flush_buffers()
                    upcoming = key
                frame = None
                while upcoming <= number:
                    frame = _decode_packet(decoder, video, table, upcoming)
                    upcoming += 1
                if frame is None or frame.is_corrupt:
                    raise FrameMissingError(f"frame {number} of {len(table.sizes)} is missing or damaged")
                yield number, frame
        except BaseException:
            self._decoders.pop(table.decoder_config, None)  # its state is unknown now
            raise

    def _decoder(self, config: bytes) -> VideoCodecContext:
        if config in self._decoders:
            self._decoders.move_to_end(config)
            self._decoders[config].flush_buffers()
        else:
            self._decoders[config] = _open_decoder(config)
            if len(self._decoders) > _MAX_DECODERS:
                self._decoders.popitem(last=False)
        return self._decoders[config]


def parse_packets(video: bytes) -> PacketTable:
    """Read the packet table in the head of an MP4.

    Raises:
        NotStoredError: If it is not one H.264 track, in display order, with all packets inside the file.
    """
    try:
        return _parse(video)
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise NotStoredError(f"no head of a stored video: {error}") from error


def _parse(video: bytes) -> PacketTable:
    if video[4:8] != b"ftyp":
        raise NotStoredError("no MP4")
    moov = _boxes(video, (0, len(video)))[b"moov"]
    tracks = [span for kind, span in _each_box(video, moov) if kind == b"trak"]
    if len(tracks) != 1:
        raise NotStoredError(f"{len(tracks)} tracks")
    track = _boxes(video, tracks[0])
    if b"edts" in track:
        _check_edit_list(video, track[b"edts"])
    media = _boxes(video, track[b"mdia"])
    table = _boxes(video, _boxes(video, media[b"minf"])[b"stbl"])
    if b"ctts" in table:
        raise NotStoredError("frames are reordered")
    sizes = _sizes(video, table[b"stsz"][0])
    offsets = _offsets_in_one_chunk(video, table, sizes) or _offsets(video, table, sizes)
    keys = [number - 1 for number in _numbers(video, table[b"stss"][0])]
    inside = offsets and min(offsets) >= 0 and max(map(add, offsets, sizes)) <= len(video)
    if not inside or not keys or keys[0] != 0 or keys != sorted(set(keys)) or keys[-1] >= len(sizes):
        raise NotStoredError("the table names packets that are not there")
    return PacketTable(offsets, sizes, keys, _decoder_config(video, table[b"stsd"]))


def _each_box(video: bytes, span: Span) -> Iterator[tuple[bytes, Span]]:
    """Yield kind and content of each box in a span."""
    at, stop = span
    while at < stop:
        size, kind = struct.unpack_from(">I4s", video, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", video, at + 8), 16
        elif size == 0:
            size = stop - at
        if size < head or at + size > stop:
            raise ValueError(f"a box of {size} bytes at {at}")
        yield kind, (at + head, at + size)
        at += size


def _boxes(video: bytes, span: Span) -> dict[bytes, Span]:
    return dict(_each_box(video, span))


def _counted(video: bytes, at: int, dtype: str, width: int = 1) -> npt.NDArray[np.unsignedinteger]:
    """Return the entries of a table that says in front how many it has."""
    _, count = struct.unpack_from(">II", video, at)
    return np.frombuffer(video, dtype, count * width, at + 8)


def _numbers(video: bytes, at: int, width: int = 1) -> list[int]:
    """Return the entries of a table of 32 bits each, without numpy: its calls on few numbers cost more."""
    _, count = struct.unpack_from(">II", video, at)
    return list(struct.unpack_from(f">{count * width}I", video, at + 8))


def _sizes(video: bytes, at: int) -> list[int]:
    _, fixed, count = struct.unpack_from(">III", video, at)
    if fixed:
        raise NotStoredError("packets of one size")
    return list(struct.unpack_from(f">{count}I", video, at + 12))


def _offsets_in_one_chunk(video: bytes, table: dict[bytes, Span], sizes: list[int]) -> list[int]:
    """Return where each packet begins if all lie one after another, as vidprep stores them; else nothing."""
    if b"stco" not in table:
        return []
    chunks, runs = _numbers(video, table[b"stco"][0]), _numbers(video, table[b"stsc"][0], 3)
    if len(chunks) != 1 or runs[:2] != [1, len(sizes)] or len(runs) != 3:
        return []
    return list(accumulate(sizes[:-1], initial=chunks[0]))


def _offsets(video: bytes, table: dict[bytes, Span], packet_sizes: list[int]) -> list[int]:
    """Return where each packet begins: packets lie one after another in chunks."""
    sizes: Ints = np.array(packet_sizes, np.int64)
    if b"stco" in table:
        chunks = _counted(video, table[b"stco"][0], ">u4").astype(np.int64)
    else:
        chunks = _counted(video, table[b"co64"][0], ">u8").astype(np.int64)
    runs = _counted(video, table[b"stsc"][0], ">u4", 3).reshape(-1, 3).astype(np.int64)
    starts = runs[:, 0] - 1  # first chunk of each run of chunks with as many packets
    packets = np.repeat(runs[:, 1], np.diff(np.append(starts, len(chunks))))  # of each chunk
    if packets.sum() != len(sizes):
        raise ValueError(f"{packets.sum()} packets in chunks, {len(sizes)} sizes")
    ends = np.cumsum(sizes)
    first = np.cumsum(packets) - packets  # number of each chunk's first packet
    before_chunk = (ends - sizes)[first]
    chunk_of = np.repeat(np.arange(len(chunks)), packets)
    offsets: list[int] = (chunks[chunk_of] + (ends - sizes) - before_chunk[chunk_of]).tolist()
    return offsets


def _check_edit_list(video: bytes, span: Span) -> None:
    """Accept an edit list that shows the whole track from its beginning, and no other."""
    at = _boxes(video, span)[b"elst"][0]
    version_and_flags, count = struct.unpack_from(">II", video, at)
    layout = ">Qqi" if version_and_flags >> 24 else ">Iii"
    _, media_time, rate = struct.unpack_from(layout, video, at + 8)
    if count != 1 or media_time != 0 or rate != 0x10000:
        raise NotStoredError("an edit list")


def _decoder_config(video: bytes, stsd: Span) -> bytes:
    entries = list(_each_box(video, (stsd[0] + 8, stsd[1])))
    if [kind for kind, _ in entries] != [b"avc1"]:
        raise NotStoredError(
            f"not one H.264 description but {len(entries)} of {[kind for kind, _ in entries]}"
        )
    start, stop = entries[0][1]
    config = _boxes(video, (start + _VISUAL_ENTRY_BYTES, stop))[b"avcC"]
    return video[config[0] : config[1]]


def _open_decoder(config: bytes) -> VideoCodecContext:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = config
    decoder.thread_type = "NONE"
    decoder.thread_count = 1
    decoder.open()
    return decoder


def _decode_packet(
    decoder: VideoCodecContext, video: bytes, table: PacketTable, number: int
) -> VideoFrame | None:
    """Decode packet `number`; None unless exactly the frame of that number comes out."""
    start = table.offsets[number]
    packet = Packet(video[start : start + table.sizes[number]])
    packet.pts = number
    frames = decoder.decode(cast("Packet[VideoStream]", packet))
    return frames[0] if len(frames) == 1 and frames[0].pts == number else None
