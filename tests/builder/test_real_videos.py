"""Real videos, easy and nasty, laid out as Kinetics-400: each is used or rejected with a true reason."""

import io
import shutil

import av
import numpy as np
import pytest

from tests.helpers.paths import REAL_DATA
from tests.helpers.raw_videos.raw_k400 import Raw, run_build
from vidprep.shards.checks import find_problems as verify
from vidprep.shards.index import read_index
from vidprep.shards.ledger import read_ledger

VIDEOS = REAL_DATA / "videos"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"no real videos at {VIDEOS}"),
]

REJECTED = {
    "audio_only.mp4": "no_video_stream",
    "corrupted_midway.mp4": "partial",
    "no_initial_keyframe.ts": "partial",
    "zero_bytes.webm": "zero_bytes",
}
# What FFmpeg decodes; the folder's own README agrees.
NUM_FRAMES = {
    "anet_weightlifting_30fps.mp4": 420,
    "av1.mkv": 125,
    "carphone_qcif.mp4": 120,
    "chaplin_10s.mp4": 241,
    "decord_unordered.mov": 4,
    "decord_video_0.mov": 3,
    "decord_video_180.mov": 3,
    "decord_video_270.mov": 3,
    "frames_numbered.webm": 100,
    "h264_10bit.mp4": 30,
    "h264_annexb_vfr.mkv": 745,
    "hevc_10bit.mp4": 30,
    "hf_66x50_60fps.mov": 82,
    "k400_arm_wrestling_demo.mp4": 280,
    "k400_flipping_pancake.mkv": 310,
    "k400_like_basketball_29.97.mp4": 300,
    "k400_yoga_Tw2yXa6CzWE.mp4": 300,
    "no_duration.webm": 74,
    "realshort_320x240.mp4": 36,
    "rot180_vfr.mp4": 25,
    "rot90.mov": 3,
    "short_2fps_7frames.mp4": 7,
    "ssv2_166766.webm": 49,
    "tiny_1x1.mp4": 5,
    "ucf_makeup_bframes.avi": 164,
    "vfr_cursed.mp4": 63,
    "vp9_320x180_24fps.webm": 120,
}


def name_of(video_id):
    """The file that a video id of this test stands for."""
    number = int(video_id.removeprefix("video").split("_")[0])
    return sorted(path.name for path in VIDEOS.iterdir())[number]


@pytest.fixture(scope="module")
def shard_set(tmp_path_factory):
    raw = Raw(tmp_path_factory.mktemp("real") / "raw")
    for number, path in enumerate(sorted(VIDEOS.iterdir())):
        planned = raw.add(f"video{number}", split="val" if number % 3 else "train", write=False)
        planned.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, planned.with_suffix(path.suffix))
    out = raw.folder.parent / "set"
    done = run_build(raw, out, "--workers", 2, "--set", "transcode.short_side=256")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def stored(shard_set):
    rows = {name_of(row["video_id"]): row for row in read_index(shard_set).to_pylist()}

    def bytes_of(name):
        row = rows[name]
        with (shard_set / row["shard"]).open("rb") as tar:
            tar.seek(row["mp4_offset"])
            return tar.read(row["mp4_size"])

    return rows, bytes_of


def frames(video, pixels="rgb24"):
    with av.open(io.BytesIO(video)) as container:
        return [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]


def test_every_file_is_used_or_rejected_with_a_true_reason(shard_set):
    ledger = read_ledger(shard_set).to_pylist()
    assert len(ledger) == 31
    reasons = {name_of(row["video_id"]): row["reason"] for row in ledger}
    assert {name: reason for name, reason in reasons.items() if reason} == REJECTED
    assert [problem for found in verify(shard_set, decode=True) for problem in found] == []


def test_stored_frame_counts_are_what_ffmpeg_decodes(stored):
    rows, _ = stored
    assert {name: row["num_frames"] for name, row in rows.items()} == NUM_FRAMES


def test_numbered_frames_are_all_there_in_order(stored):
    _, bytes_of = stored
    with av.open(str(VIDEOS / "frames_numbered.webm")) as container:
        source = [
            frame.reformat(256, 256, "gray").to_ndarray().astype(int) for frame in container.decode(video=0)
        ]
    kept = [frame.astype(int) for frame in frames(bytes_of("frames_numbered.webm"), "gray")]
    assert len(kept) == len(source) == 100
    for number, frame in enumerate(kept):
        distances = [np.abs(frame - other).mean() for other in source]
        assert int(np.argmin(distances)) == number


@pytest.mark.parametrize(
    ("name", "quarter_turns"), [("rot90.mov", 3), ("decord_video_180.mov", 2), ("decord_video_270.mov", 1)]
)
def test_rotated_videos_come_out_upright(stored, name, quarter_turns):
    """The turns (counter-clockwise) are what makes the letters of the keyboard in them readable."""
    _, bytes_of = stored
    kept = frames(bytes_of(name), "gray")[0]
    with av.open(str(VIDEOS / name)) as container:
        lying = next(container.decode(video=0))
    height, width = kept.shape if quarter_turns == 2 else kept.shape[::-1]
    upright = np.rot90(lying.reformat(width, height, "gray").to_ndarray(), quarter_turns)
    assert np.abs(kept.astype(int) - upright).mean() < 5


def test_anamorphic_videos_come_out_square(stored):
    rows, _ = stored
    sizes = {name: (row["width"], row["height"]) for name, row in rows.items()}
    assert sizes["k400_arm_wrestling_demo.mp4"] == (426, 256)  # 340x256, SAR 64:51
    assert sizes["carphone_qcif.mp4"] == (342, 256)  # 176x144, SAR 128:117
    assert sizes["k400_yoga_Tw2yXa6CzWE.mp4"] == (342, 256)
    assert all(min(size) == 256 for size in sizes.values())
