"""Packets read against frames decoded: what a healthy video lacks, and what none does."""

from dataclasses import replace

import pytest

from tests.builder.transcoding.test_ffmpeg_log import GOOD
from tests.helpers.paths import REAL_DATA
from tests.helpers.raw_videos.videos import numbered_video, run_ffmpeg
from vidprep.builder.transcoding.ffmpeg_log import parse_log
from vidprep.builder.transcoding.frame_counts import lacks_frames
from vidprep.builder.transcoding.transcode import transcode
from vidprep.errors import VideoRejected
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode

MP4, WEBM, TS = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts"


def log(container, codec, packets, frames, announced=0):
    return replace(
        parse_log(GOOD),
        container=container,
        source_stream=f"Video: {codec} (Main), yuv420p",
        num_packets=packets,
        num_frames_decoded=frames,
        num_frames_announced=announced,
    )


@pytest.mark.parametrize(
    ("facts", "lacks"),
    [
        ((MP4, "h264", 87, 82, 82), False),  # a healthy file: leading pictures of an open GOP
        ((MP4, "h264", 40, 25, 25), False),  # an edit list hides the rest
        ((MP4, "h264", 309, 60, 60), False),  # two seconds, cut shortly before the next key frame
        ((MP4, "hevc", 30, 2, 0), True),  # m000482: a header without a time scale
        ((MP4, "hevc", 30, 2, 2), True),  # the same, with a rate and a duration that agree in their lie
        ((MP4, "hevc", 300, 200, 300), True),
        ((MP4, "h264", 150, 150, 290), False),  # sound that goes on after the pictures
        ((WEBM, "vp9", 100, 100), False),
        ((WEBM, "vp9", 100, 70), True),
        ((WEBM, "av1", 100, 70), True),
        ((WEBM, "vp8", 120, 100), False),  # alt-ref frames
        ((WEBM, "vp8", 200, 100), True),
        ((TS, "h264", 200, 100), False),  # fields
        ((TS, "h264", 200, 60), True),
        (("avi", "mpeg4", 200, 120), False),  # repeated frames
        (("avi", "mpeg4", 200, 40), True),
    ],
)
def test_what_a_healthy_video_lacks(facts, lacks):
    assert lacks_frames(log(*facts)) is lacks


def outcome(source, tmp_path):
    """The number of frames, or the rejection."""
    (tmp_path / "scratch").mkdir()
    try:
        video = transcode(source, tmp_path / "scratch", Transcode(short_side=96), find_ffmpeg())
    except VideoRejected as error:
        return str(error)
    return str(video.num_frames)


def test_a_header_that_lies_about_the_rate_hides_no_frames(tmp_path):
    """One box later the edit list still shows what lasts a second, of frames that last half a minute each."""
    plain = numbered_video(tmp_path / "plain.mp4", 40, options=("-bf", 2))
    data = bytearray(plain.read_bytes())
    time_scale = data.index(b"mdhd") + 16
    data[time_scale : time_scale + 4] = (1).to_bytes(4, "big")
    plain.write_bytes(data)
    assert outcome(plain, tmp_path).startswith("partial: ")


def test_leading_pictures_of_an_open_gop_are_not_missed(tmp_path):
    options = ("-x265-params", "open-gop=1:keyint=12:bframes=3:log-level=error")
    whole = numbered_video(tmp_path / "whole.mp4", 60, codec="libx265", options=options)
    run_ffmpeg("-ss", "0.9", "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    assert 24 < int(outcome(tmp_path / "cut.mp4", tmp_path)) < 60 - 24


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real videos at {REAL_DATA}")
@pytest.mark.parametrize(
    ("name", "said"),
    [("m000426.mp4", "corrupt decoded frame"), ("m000482.mp4", "2 frames decode of 30 packets read")],
)
def test_damaged_videos_that_a_build_took_without_a_word(tmp_path, name, said):
    told = outcome(REAL_DATA / "damaged" / name, tmp_path)
    assert told.startswith("partial: ") and said in told
