"""Decoding: the frames that arrive are the frames that were asked for, whatever the codec and settings."""

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.paths import REAL_DATA
from tests.helpers.sets.numbered import STORED, encode, read_number, read_video_number
from vidprep.errors import DecodeError
from vidprep.load.decoding.decode import PyavDecoder, decoder_for
from vidprep.load.decoding.frames import read_frames
from vidprep.load.decoding.pixels import buffer_side, frame_shape, plane_array
from vidprep.load.sampling.views import Box, View
from vidprep.shards.video_file import count_frames, open_video

REAL = REAL_DATA / "videos"
NUM_FRAMES = 61

# What the builder can write, and what others write.
FORMATS = {
    "stored": (STORED, "mp4"),
    "stored, B-frames": (STORED.replace("-bf 0", "-bf 3"), "mp4"),
    "stored, GOP 250": (STORED.replace("-g 16 -keyint_min 16", "-g 250 -keyint_min 250"), "mp4"),
    "stored, GOP 1": (STORED.replace("-g 16 -keyint_min 16", "-g 1"), "mp4"),
    "default x264": ("-c:v libx264 -crf 18", "mp4"),
    "open GOP": ("-c:v libx264 -crf 18 -g 12 -bf 3 -x264-params open-gop=1:b-adapt=0:scenecut=0", "mp4"),
    "open GOP in Matroska": (
        "-c:v libx264 -crf 18 -g 12 -bf 3 -x264-params open-gop=1:b-adapt=0:scenecut=0",
        "mkv",
    ),
    "MPEG-TS": ("-c:v libx264 -crf 18 -g 20", "ts"),
    "HEVC": ("-c:v libx265 -x265-params log-level=error:keyint=20 -crf 18 -preset ultrafast", "mp4"),
    "VP9": ("-c:v libvpx-vp9 -crf 20 -b:v 0 -g 20 -deadline realtime -cpu-used 8", "webm"),
    "VP8": ("-c:v libvpx -b:v 4M -g 20 -deadline realtime", "webm"),
    "AV1": ("-c:v libsvtav1 -crf 25 -preset 12 -g 20 -svtav1-params lp=1", "mp4"),
    "MPEG-4 in AVI": ("-c:v mpeg4 -q:v 2 -bf 2 -g 20", "avi"),
    "10 bit": ("-c:v libx264 -crf 18 -pix_fmt yuv420p10le", "mp4"),
}


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    path = tmp_path_factory.mktemp("formats")
    return {
        name: encode(NUM_FRAMES, 4, options=options, suffix=suffix, path=path)
        for name, (options, suffix) in FORMATS.items()
    }


def shown(video, wanted, num_frames=NUM_FRAMES):
    frames = read_frames(video, wanted, num_frames=num_frames)
    return [(number, read_number(luma(frame), 0)) for number, frame in frames]


def luma(frame):
    planes = frame.reformat(format="gray8", src_color_range=1, dst_color_range=1)
    return planes.to_ndarray()


def picture(frame):
    """The luma without what pads its rows."""
    plane = frame.planes[0]
    return plane_array(plane, plane.height)[:, : plane.width].tobytes()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "wanted",
    [
        range(NUM_FRAMES),
        range(20, 52, 2),
        [0],
        [NUM_FRAMES - 1],
        [15, 16, 17],
        [3, 30, 31, 60],
        range(1, 60, 9),
    ],
    ids=str,
)
def test_every_format(videos, name, wanted):
    assert shown(videos[name], list(wanted)) == [(i, i) for i in wanted]


@settings(max_examples=60)
@given(
    wanted=st.sets(st.integers(0, NUM_FRAMES - 1), min_size=1).map(sorted),
    name=st.sampled_from(["stored", "stored, B-frames", "open GOP", "VP9"]),
)
def test_any_frames(videos, wanted, name):
    assert shown(videos[name], wanted) == [(i, i) for i in wanted]


def test_the_videos_are_what_their_names_say(videos):
    """Otherwise the tests above test nothing: B-frames, reordering, several key frames that are no IDR."""
    with open_video(videos["stored"]) as container:
        assert not container.streams.video[0].codec_context.has_b_frames
        keys = [entry.is_keyframe for entry in container.streams.video[0].index_entries]
        assert [i for i, key in enumerate(keys) if key] == [0, 16, 32, 48]
    with open_video(videos["open GOP"]) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        keys = [at for at, packet in enumerate(packets) if packet.is_keyframe]
        assert len(keys) >= 4
        leading = packets[keys[1] + 1]
        assert leading.pts < packets[keys[1]].pts, "no frame is shown before its key frame: a closed GOP"


@pytest.mark.parametrize("pixels", ["yuv420", "rgb"])
def test_one_decode_for_many_views(videos, pixels):
    views = [
        View((0, 5, 5, 60), Box(0, 0, 200, 200)),
        View((60, 0, 17, 18), Box(33, 101, 200, 200)),
        View((59, 3, 2, 1), Box(56, 140, 200, 200)),
    ]
    side = buffer_side(pixels, 200)
    out = np.full((3, 4, *frame_shape(pixels, side)), 7, np.uint8)
    PyavDecoder(pixels, side).decode(videos["stored"], views, out, num_frames=NUM_FRAMES)
    for view, clip in zip(views, out, strict=True):
        for number, frame in zip(view.frames, clip, strict=True):
            if pixels == "rgb":
                # U shifts all pixels alike; green keeps the order of dark and bright.
                assert read_number(frame[..., 1], view.box.top) == number
            else:
                assert read_number(frame[:200, :200], view.box.top // 2 * 2) == number
                assert read_video_number(frame[side : side + 100, :100]) == 4


def test_odd_boxes_are_cut_to_the_pixel(videos):
    """The planes hold the same luma as a crop of the whole frame, for every parity of the box."""
    with open_video(videos["stored"]) as container:
        whole = next(container.decode(video=0)).to_ndarray()[:256]
    for top, left in [(0, 0), (1, 0), (0, 1), (31, 57)]:
        out = np.empty((1, 1, *frame_shape("yuv420", 226)), np.uint8)
        view = View((0,), Box(top, left, 224, 224))
        PyavDecoder("yuv420", 226).decode(videos["stored"], [view], out, num_frames=NUM_FRAMES)
        crop = out[0, 0, top % 2 : top % 2 + 224, left % 2 : left % 2 + 224]
        assert np.array_equal(crop, whole[top : top + 224, left : left + 224])


@pytest.mark.parametrize(
    ("video", "num_frames", "message"),
    [
        (b"", 61, "Invalid data"),
        (b"\0" * 1000, 61, "Invalid data"),
        ("cut", 61, r"Invalid data|missing or damaged"),
        ("stored", 99, "frame 98 of 99 is missing or damaged; 0 of the 1 frames asked for were read"),
    ],
)
def test_a_video_that_does_not_decode(videos, video, num_frames, message):
    data = {"stored": videos["stored"], "cut": videos["stored"][:-9000]}.get(video, video)
    out = np.empty((1, 1, 200, 200, 3), np.uint8)
    with pytest.raises(DecodeError, match=message):
        view = View((num_frames - 1,), Box(0, 0, 200, 200))
        PyavDecoder("rgb", 200).decode(data, [view], out, num_frames=num_frames)


def test_whatever_is_damaged_is_a_decode_error_or_decodes(tmp_path):
    whole = encode(8, width=64, height=64, path=tmp_path)
    rng = np.random.default_rng(0)
    damaged = [whole[:size] for size in range(1, len(whole), 29)]
    for _ in range(300):
        changed = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 1400), rng.integers(1, 9)):
            changed[place] = rng.integers(256)
        damaged.append(bytes(changed))
    decoder, side = PyavDecoder("yuv420", buffer_side("yuv420", 32)), buffer_side("yuv420", 32)
    out = np.empty((1, 4, *frame_shape("yuv420", side)), np.uint8)
    outcomes = set()
    for video in damaged:
        try:
            decoder.decode(video, [View((0, 2, 4, 6), Box(3, 5, 32, 32))], out, num_frames=8)
            outcomes.add("decoded")
        except DecodeError:
            outcomes.add("refused")
    assert outcomes == {"decoded", "refused"}


def test_a_playlist_opens_nothing(tmp_path, videos):
    """A third-party video must not make FFmpeg read other files."""
    target = tmp_path / "secret.mp4"
    target.write_bytes(videos["stored"])
    for text in (f"ffconcat version 1.0\nfile '{target}'\n", f"#EXTM3U\n#EXTINF:1,\nfile://{target}\n"):
        with pytest.raises(av.FFmpegError):
            count_frames(text.encode())


def test_torchcodec_gives_the_same(videos):
    pytest.importorskip(
        "torchcodec", reason="torchcodec, or the FFmpeg libraries it needs, are not installed"
    )
    views = [View(tuple(range(5, 37)), Box(3, 7, 200, 200)), View((60, 1), Box(0, 0, 200, 200))]
    # torchcodec 0.13 fails at the end of open GOPs; vidprep writes closed ones only.
    for name in ("stored", "stored, B-frames", "stored, GOP 250", "default x264", "VP9"):
        for view in views:
            outs = [np.empty((1, len(view.frames), 200, 200, 3), np.uint8) for _ in range(2)]
            for backend, out in zip(("pyav", "torchcodec"), outs, strict=True):
                decoder_for(backend, "rgb", 200).decode(videos[name], [view], out, num_frames=NUM_FRAMES)
            assert np.abs(outs[0].astype(int) - outs[1]).max() <= 2


def test_torchcodec_has_no_planes():
    with pytest.raises(ValueError, match=r"gives pixels = \"rgb\" only"):
        decoder_for("torchcodec", "yuv420", 226)


@pytest.mark.real_data
def test_frames_numbered_by_somebody_else():
    """VP9 1080x1080, each frame shows its number; here against a decode of the whole file."""
    if not REAL.is_dir():
        pytest.skip("../shared/data is absent")
    checked = 0
    for path in sorted(REAL.iterdir()):
        try:
            num_frames, *_ = count_frames(data := path.read_bytes())
        except Exception:
            continue  # files that are broken on purpose
        wanted = sorted({i * num_frames // 7 for i in range(7)})
        with open_video(data) as container:
            whole = [picture(frame) for i, frame in enumerate(container.decode(video=0)) if i in wanted]
        got = [picture(frame) for _, frame in read_frames(data, wanted, num_frames=num_frames)]
        assert got == whole, path.name
        checked += 1
    assert checked == 28
