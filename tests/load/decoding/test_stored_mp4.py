"""Stored videos are read without a container and show the same frames; all else is passed on."""

import random
import struct

import av
import pytest

from tests.helpers.paths import REAL_DATA, RELEASE_0_1
from tests.helpers.sets.numbered import STORED, encode, read_number
from vidprep.load.decoding.frames import read_frames
from vidprep.load.decoding.stored_mp4 import (
    NotStoredError,
    StoredReader,
    _offsets,
    _offsets_in_one_chunk,
    parse_packets,
)
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.video_file import FrameMissingError

NUM_FRAMES = 61
WANTED = [range(NUM_FRAMES), range(20, 52, 2), [0], [60], [15, 16, 17], [3, 30, 31, 60], range(1, 60, 9)]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Of several sizes, so that one reader has to keep several decoders."""
    path = tmp_path_factory.mktemp("stored")
    sizes = ((340, 256), (256, 340), (456, 256))
    return [encode(NUM_FRAMES, n, width=w, height=h, path=path) for n, (w, h) in enumerate(sizes)]


def luma(frame):
    return frame.reformat(format="gray8", src_color_range=1, dst_color_range=1).to_ndarray()


def pictures(frames):
    return [(number, frame.to_ndarray().tobytes()) for number, frame in frames]


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_the_frames_are_those_that_a_container_gives(videos, wanted):
    reader = StoredReader()
    for video in [*videos, *reversed(videos)]:
        found = pictures(reader.read(video, list(wanted), num_frames=NUM_FRAMES))
        assert found == pictures(read_frames(video, list(wanted), num_frames=NUM_FRAMES))


def test_each_frame_shows_its_own_number(videos):
    frames = StoredReader().read(videos[0], range(NUM_FRAMES), num_frames=NUM_FRAMES)
    assert [(number, read_number(luma(frame), 0)) for number, frame in frames] == [
        (number, number) for number in range(NUM_FRAMES)
    ]


def test_what_lies_in_a_shard_set_is_of_this_form():
    shards = ShardSet.open(RELEASE_0_1 / "shards")
    split = shards.split("train")
    for row in range(len(split)):
        video = split.video(row)
        data = (RELEASE_0_1 / "shards" / video.shard).read_bytes()[video.offset : video.offset + video.size]
        assert len(parse_packets(data).sizes) == video.num_frames


@pytest.mark.parametrize(
    ("chunks", "runs", "in_one", "in_any"),
    [
        ([500], [1, 3, 1], [500, 507, 515], [500, 507, 515]),
        ([500, 900], [1, 2, 1, 2, 1, 1], [], [500, 507, 900]),
        ([500, 900, 700], [1, 1, 1], [], [500, 900, 700]),
    ],
)
def test_packets_of_one_chunk_and_of_several(chunks, runs, in_one, in_any):
    """The short way, which what vidprep stores goes, and the one for all tables."""
    stco = struct.pack(f">II{len(chunks)}I", 0, len(chunks), *chunks)
    stsc = struct.pack(f">II{len(runs)}I", 0, len(runs) // 3, *runs)
    table = {b"stco": (0, len(stco)), b"stsc": (len(stco), len(stco) + len(stsc))}
    assert _offsets_in_one_chunk(stco + stsc, table, [7, 8, 9]) == in_one
    assert _offsets(stco + stsc, table, [7, 8, 9]) == in_any


def test_packets_cover_the_media_data_without_gaps(videos):
    table = parse_packets(videos[0])
    ends = [offset + size for offset, size in zip(table.offsets, table.sizes, strict=True)]
    assert table.offsets[1:] == ends[:-1]
    assert ends[-1] == len(videos[0])
    assert table.keys == list(range(0, NUM_FRAMES, 16))


@pytest.mark.parametrize(
    ("options", "suffix", "why"),
    [
        (STORED.replace("-bf 0", "-bf 3"), "mp4", "edit list|reordered"),
        (
            "-c:v libx265 -x265-params log-level=error -preset ultrafast -bf 0",
            "mp4",
            "edit list|not one H.264",
        ),
        ("-c:v libx264 -bf 0", "mkv", "no MP4"),
        ("-c:v mpeg4", "mp4", "no head of a stored video|not one H.264"),
    ],
    ids=["B-frames", "HEVC", "Matroska", "MPEG-4"],
)
def test_other_forms_are_passed_on(tmp_path, options, suffix, why):
    video = encode(20, options=options, suffix=suffix, path=tmp_path)
    with pytest.raises(NotStoredError, match=why):
        StoredReader().read(video, [3], num_frames=20)


def test_another_number_of_frames_is_passed_on(videos):
    with pytest.raises(NotStoredError, match="61 packets, 60 frames"):
        StoredReader().read(videos[0], [3], num_frames=60)


def attempt(read, video):
    """The pictures, or None if the video does not decode to all of them."""
    try:
        found = pictures(read(video, [5, 6, 40], num_frames=NUM_FRAMES))
    except (av.FFmpegError, NotStoredError, FrameMissingError):
        return None
    return found if len(found) == 3 else None


def test_damaged_heads_end_in_an_error_or_the_right_packets(videos):
    """Never an exception of another kind, never a picture of another place."""
    intact, reader = videos[0], StoredReader()
    head = parse_packets(intact).offsets[0]
    expected = attempt(read_frames, intact)
    chance = random.Random(0)
    passed_on = 0
    for _ in range(400):
        damaged = bytearray(intact)
        at = chance.randrange(head)
        damaged[at : at + chance.choice((1, 4, 30))] = chance.randbytes(1)
        found = attempt(reader.read, bytes(damaged))
        passed_on += found is None
        by_container = attempt(read_frames, bytes(damaged))
        assert found is None or found in (expected, by_container)
    assert 50 < passed_on < 350


def test_videos_cut_off_are_passed_on(videos):
    for size in (0, 7, 40, 500, 2000, len(videos[0]) - 1):
        assert attempt(StoredReader().read, videos[0][:size]) is None


def test_a_reader_goes_on_after_a_damaged_video(videos):
    reader, table = StoredReader(), parse_packets(videos[0])
    damaged = bytearray(videos[0])
    start = table.offsets[32]
    damaged[start : start + table.sizes[32]] = bytes(table.sizes[32])
    attempt(reader.read, bytes(damaged))
    assert attempt(reader.read, videos[0]) == attempt(read_frames, videos[0])


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="../shared/data is absent")
def test_real_videos_are_passed_on_or_read_alike():
    paths = sorted(path for path in (REAL_DATA / "videos").iterdir() if path.suffix in (".mp4", ".mov"))
    assert len(paths) > 15
    for path in paths:
        video = path.read_bytes()
        try:
            num_frames = len(parse_packets(video).sizes)
        except NotStoredError:
            continue
        wanted = list(range(0, num_frames, 3))
        found = pictures(StoredReader().read(video, wanted, num_frames=num_frames))
        by_container = pictures(read_frames(video, wanted, num_frames=num_frames))
        assert found == by_container[: len(found)], path.name
