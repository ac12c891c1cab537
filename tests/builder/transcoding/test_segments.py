"""Parts of longer videos: exactly the frames whose time lies in them, wherever decoding began."""

import random

import av
import pytest

from tests.helpers.paths import REAL_DATA
from tests.helpers.raw_videos.videos import numbered_video
from vidprep.builder.transcoding.transcode import transcode
from vidprep.errors import VideoRejected
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode
from vidprep.shards.segment import Segment

LOSSLESS = Transcode(short_side=48, crf=0, preset="ultrafast", tune="none")
SOURCES = (
    "chaplin_10s.mp4",
    "ucf_makeup_bframes.avi",
    "no_duration.webm",
    "hf_66x50_60fps.mov",
    "rot180_vfr.mp4",
)
real_videos = pytest.mark.skipif(not REAL_DATA.is_dir(), reason="no real videos in ../shared/data")


def stored_frames(source, folder, segment=None):
    """Return the pixels of each frame that is stored of a source."""
    folder.mkdir()
    video = transcode(source, folder, LOSSLESS, find_ffmpeg(), segment=segment)
    with av.open(str(video.path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def frame_times(source):
    with av.open(str(source)) as container:
        start = (container.start_time or 0) / 1e6
        times = [frame.pts * float(frame.time_base) - start for frame in container.decode(video=0)]
    # Times in this AVI run back and forth; its rate is constant, and its first frame is not at 0.
    return [(number + 1) / 25 for number in range(len(times))] if source.suffix == ".avi" else times


def check_segments(source, folder, count, seed=0):
    draws = random.Random(f"{source.name}{seed}")
    whole, times = stored_frames(source, folder / "whole"), frame_times(source)
    assert len(whole) == len(times)
    for number in range(count):
        first = draws.randrange(len(times))
        last = draws.randrange(first, min(len(times), first + 40))
        # Half of them begin exactly at a frame.
        start = max(0.0, times[first] - (draws.random() * 0.03 if number % 2 else 0.0))
        end = times[last] + 0.004
        inside = [i for i, time in enumerate(times) if start - 5e-7 <= time < end - 5e-7]
        assert first in inside
        found = stored_frames(source, folder / str(number), Segment(start=start, end=end))
        assert found == [whole[i] for i in inside], (source.name, start, end)


@real_videos
@pytest.mark.real_data
@pytest.mark.parametrize("name", SOURCES)
def test_segments_of_real_videos(tmp_path, name):
    check_segments(REAL_DATA / "videos" / name, tmp_path, count=3)


@real_videos
@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_two_hundred_segments_of_real_videos(tmp_path, name):
    """40 of each of five sources: B-frames, a variable rate, no duration, an open GOP behind an edit list."""
    check_segments(REAL_DATA / "videos" / name, tmp_path, count=40, seed=1)


def test_a_decimal_number_means_the_frame_at_that_fraction(tmp_path):
    """Frame 7 of 30 a second is shown at 0.2333...: lists say 0.233333 or 0.2333334."""
    numbered_video(tmp_path / "n.mp4", 12, width=64, height=48, fps=30)
    whole = stored_frames(tmp_path / "n.mp4", tmp_path / "whole")
    for number, start in enumerate((0.233333, 0.2333334)):
        part = Segment(start=start, end=0.3)
        assert stored_frames(tmp_path / "n.mp4", tmp_path / str(number), part) == whole[7:9]


@pytest.mark.parametrize("options", [["-x264-params", "open-gop=1:keyint=20:bframes=3:scenecut=0"], []])
def test_segments_behind_the_run_up(tmp_path, options):
    """Twelve seconds: a part in the middle begins to decode at a key frame before it."""
    source = long_video(tmp_path / "long.mp4", options)
    whole = stored_frames(source, tmp_path / "whole")
    for number, (start, end) in enumerate([(5.0, 6.0), (5.01, 5.99), (8.04, 8.05), (11.0, 12.0)]):
        frames = stored_frames(source, tmp_path / str(number), Segment(start=start, end=end))
        inside = [i for i in range(300) if start <= i / 25 < end]
        assert frames == [whole[i] for i in inside]


def long_video(path, options):
    import subprocess

    command = [find_ffmpeg(), "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=12"]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "3", "-g", "50", *options]
    subprocess.run([*command, *codec, str(path)], check=True)
    return path


def test_a_segment_in_frames(tmp_path):
    source = numbered_video(tmp_path / "n.mp4", 12, width=64, height=48)
    whole = stored_frames(source or tmp_path / "n.mp4", tmp_path / "whole")
    found = stored_frames(tmp_path / "n.mp4", tmp_path / "part", Segment(start=3, end=5, unit="frames"))
    assert found == whole[3:6]


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (
            Segment(start=11, end=13.0, place="list.csv line 7"),
            r"segment 11 to 13 s \(list.csv line 7\); the sour",
        ),
        (
            Segment(start=299, end=300, unit="frames", place="x"),
            r"299 to 300 frames \(x\); it holds 1 frames",
        ),
        (Segment(start=5.001, end=5.002, place="x"), "no frame of the source lies in it"),
    ],
)
def test_a_segment_that_is_not_there(tmp_path, segment, message):
    source = long_video(tmp_path / "long.mp4", [])
    with pytest.raises(VideoRejected, match=message) as rejected:
        transcode(source, tmp_path, LOSSLESS, find_ffmpeg(), segment=segment)
    assert rejected.value.reason == "beyond_end"


def test_beyond_the_end_of_a_source_that_does_not_tell_its_length(tmp_path):
    """It was stored as long as it went: 0.5 to 1000 s of a video of 2 s."""
    live = ("-live", 1, "-deadline", "realtime")
    source = numbered_video(tmp_path / "live.webm", 20, fps=10, codec="libvpx-vp9", options=live)
    assert len(stored_frames(source, tmp_path / "inside", Segment(start=0.5, end=2.0))) == 15
    assert len(stored_frames(source, tmp_path / "rounded", Segment(start=0.5, end=2.4))) == 15
    for end in (3.0, 1000.0):
        with pytest.raises(VideoRejected, match="its pictures end before the segment") as caught:
            stored_frames(source, tmp_path / f"beyond {end}", Segment(start=0.5, end=end))
        assert caught.value.reason == "beyond_end"
