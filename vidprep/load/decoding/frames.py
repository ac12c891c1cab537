"""Exactly the frames that were asked for, out of a video in memory, decoding as little as possible.

A frame's number is its place in display order. Three ways lead to it, the cheapest that is certain is taken:

    index    MP4 without reordering, i.e. what vidprep stores: the container's own index maps a number to a
             time and to the key frame before it; one seek, then count
    packets  a time stamp on every packet: sort them once, feed the decoder from the key frame before
    count    anything else: decode from the first frame on
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidprep.shards.video_file import FrameMissingError, open_video

if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]

_SKIPS_NONREF = ("h264", "hevc")

NumberedFrame = tuple[int, VideoFrame]


def read_frames(video: bytes, wanted: Sequence[int], *, num_frames: int) -> Iterator[NumberedFrame]:
    """Yield (number, frame) of each wanted frame, in order.

    Args:
        video: A whole video file.
        wanted: Frame numbers, ascending, each once.
        num_frames: Frames of the video.

    Raises:
        FrameMissingError: If a frame is missing or damaged.
        av.FFmpegError: If the video cannot be opened or decoded.
    """
    with open_video(video) as container:
        stream = container.streams.video[0]
        if _index_is_exact(stream, num_frames):
            frames = _from_index(container, stream, wanted)
        else:
            frames = _from_packets(container, stream, wanted, num_frames)
        delivered = 0
        for number, frame in frames:
            if number != wanted[delivered] or frame.is_corrupt:
                break
            yield number, frame
            delivered += 1
    if delivered < len(wanted):
        raise FrameMissingError(
            f"frame {wanted[delivered]} of {num_frames} is missing or damaged; {delivered} of the "
            f"{len(wanted)} frames asked for were read"
        )


def _index_is_exact(stream: VideoStream, num_frames: int) -> bool:
    reorders = stream.codec_context.has_b_frames
    return stream.codec.name == "h264" and not reorders and len(stream.index_entries) == num_frames


def _from_index(
    container: InputContainer, stream: VideoStream, wanted: Sequence[int]
) -> Iterator[NumberedFrame]:
    entries = stream.index_entries
    upcoming = -1  # number of the next frame that the decoder gives
    frames: Iterator[VideoFrame] = iter(())
    for number in wanted:
        key = entries.search_timestamp(entries[number].timestamp, backward=True)
        if upcoming < 0 or key > upcoming:
            container.seek(entries[key].timestamp, stream=stream)
            frames, upcoming = container.decode(stream), key
        for frame in frames:
            upcoming += 1
            if upcoming > number:
                if frame.pts != entries[number].timestamp:
                    return
                yield number, frame
                break


def _from_packets(
    container: InputContainer, stream: VideoStream, wanted: Sequence[int], num_frames: int
) -> Iterator[NumberedFrame]:
    packets = [packet for packet in container.demux(stream) if packet.size]
    times = {packet.pts for packet in packets if packet.pts is not None and not packet.is_discard}
    # AVI has no display times; where frames are reordered, what FFmpeg makes up for them is wrong.
    if container.format.name != "avi" and len(times) == num_frames:
        return _by_time(packets, stream.codec_context, wanted, sorted(times))
    return _by_counting(packets, stream.codec_context, wanted)


def _by_counting(
    packets: "list[VideoPacket]", decoder: VideoCodecContext, wanted: Sequence[int]
) -> Iterator[NumberedFrame]:
    needed = set(wanted)
    frames = chain.from_iterable(decoder.decode(packet) for packet in chain(packets, [None]))
    for number, frame in enumerate(frames):
        if number in needed:
            yield number, frame


def _by_time(
    packets: "list[VideoPacket]", decoder: VideoCodecContext, wanted: Sequence[int], times: list[int]
) -> Iterator[NumberedFrame]:
    """Feed packets from the last key frame that is shown no later than a wanted frame."""
    keys = sorted((packet.pts, at) for at, packet in enumerate(packets) if packet.is_keyframe)
    needed = {times[number] for number in wanted}
    decoded: dict[int, VideoFrame] = {}
    upcoming = 0  # packet to feed next
    for number in wanted:
        key = bisect_right(keys, (times[number], len(packets))) - 1
        if key >= 0 and keys[key][1] > upcoming:
            decoder.flush_buffers()
            upcoming = keys[key][1]
        while times[number] not in decoded and upcoming <= len(packets):
            for frame in _feed(decoder, packets[upcoming] if upcoming < len(packets) else None, needed):
                if frame.pts in needed:
                    decoded[frame.pts] = frame
            upcoming += 1
        if times[number] not in decoded:
            return
        yield number, decoded.pop(times[number])


def _feed(decoder: VideoCodecContext, packet: "VideoPacket | None", needed: set[int]) -> list[VideoFrame]:
    if packet is not None and decoder.has_b_frames and decoder.name in _SKIPS_NONREF:
        # A frame that nobody wants and no other frame refers to need not be decoded at all.
        decoder.skip_frame = "DEFAULT" if packet.pts in needed else "NONREF"
    return decoder.decode(packet)
