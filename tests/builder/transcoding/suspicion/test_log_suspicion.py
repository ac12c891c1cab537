"""What FFmpeg's log alone makes suspect: packets that got lost, turns that are none."""

import pytest

from tests.helpers.raw_videos.videos import numbered_video, run_ffmpeg
from vidprep.builder.transcoding.child import run_child
from vidprep.builder.transcoding.command import decode_command
from vidprep.builder.transcoding.ffmpeg_log import parse_log
from vidprep.builder.transcoding.suspicion.log_suspicion import log_suspicion
from vidprep.builder.transcoding.transcode import check_stored, transcode
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode
from vidprep.shards.segment import Segment


def stored(source, tmp_path, **settings):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    settings = Transcode(short_side=96, **settings)
    return check_stored(transcode(source, scratch, settings, find_ffmpeg()), settings)


@pytest.mark.parametrize("name", ["a.ts", "a.avi", "a.mp4", "a.mkv"])
def test_a_healthy_video_is_not_suspect(tmp_path, name):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    source = numbered_video(tmp_path / name, 40, codec=codec, fps="30000/1001", options=("-bf", 2))
    assert stored(source, tmp_path).suspect == ""


def test_a_gap_in_a_transport_stream(tmp_path):
    source = numbered_video(tmp_path / "a.ts", 60, options=("-g", 5, "-bf", 0))
    packets = [source.read_bytes()[start : start + 188] for start in range(0, source.stat().st_size, 188)]
    # The last packet of a frame of the first group: what is left of it decodes.
    video = [number for number, packet in enumerate(packets) if packet[1] & 0x40 and packet[2] == 0]
    del packets[video[3] - 1 : video[3] + 1]
    source.write_bytes(b"".join(packets))
    assert stored(source, tmp_path, partial="keep").suspect == "lost_packets"


def test_an_avi_with_fewer_packets_than_its_header_says(tmp_path):
    source = numbered_video(tmp_path / "a.avi", 40, codec="mjpeg")
    data = source.read_bytes()
    chunk = data.index(b"00dc", data.index(b"00dc", data.index(b"movi")) + 4)
    for index_entry in (chunk, data.index(b"idx1")):
        data = data[:index_entry] + b"JUNK" + data[index_entry + 4 :]
    source.write_bytes(data)
    video = stored(source, tmp_path)
    assert (video.num_frames < 40, video.suspect) == (True, "lost_packets")


def test_sound_that_lasts_longer_than_an_avi_s_pictures_is_no_loss(tmp_path):
    numbered_video(tmp_path / "silent.avi", 20, codec="mpeg4")
    run_ffmpeg(
        *("-i", tmp_path / "silent.avi", "-f", "lavfi", "-i", "sine=d=5"),
        *("-c:v", "copy", "-c:a", "mp3", tmp_path / "a.avi"),
    )
    assert stored(tmp_path / "a.avi", tmp_path).suspect == ""


def test_an_avi_with_sound_is_counted_by_its_index(tmp_path):
    numbered_video(tmp_path / "silent.avi", 20, codec="mjpeg")
    run_ffmpeg(
        *("-i", tmp_path / "silent.avi", "-f", "lavfi", "-i", "sine=d=5"),
        *("-c:v", "copy", "-c:a", "mp3", tmp_path / "a.avi"),
    )
    assert stored(tmp_path / "a.avi", tmp_path).suspect == ""
    data = (tmp_path / "a.avi").read_bytes()
    lost = data.index(b"00dc", data.index(b"movi") + 2000)
    (tmp_path / "a.avi").write_bytes(data[:lost] + b"JUNK" + data[lost + 4 :])
    assert stored(tmp_path / "a.avi", tmp_path).suspect == "lost_packets"


@pytest.mark.parametrize("name", ["a.ts", "a.avi"])
def test_a_file_that_ends_in_the_midst_of_what_it_holds(tmp_path, name):
    options = ("-f", "avi") if name == "a.avi" else ()
    source = numbered_video(tmp_path / name, 20, codec="mpeg4", options=options)
    log = parse_log(run_child(decode_command(find_ffmpeg(), source), timeout_seconds=60, memory_mb=2048).log)
    assert log_suspicion(log, source) == ""
    source.write_bytes(source.read_bytes()[:-100])
    assert log_suspicion(log, source) == "cut_off"
    assert log_suspicion(log, None) == ""  # of a part that was wanted the end says nothing
    source.unlink()
    assert log_suspicion(log, source) == ""


def test_an_avi_of_several_riffs_and_one_that_was_never_closed(tmp_path):
    source = numbered_video(tmp_path / "a.avi", 20, codec="mpeg4")
    log = parse_log(run_child(decode_command(find_ffmpeg(), source), timeout_seconds=60, memory_mb=2048).log)
    data = source.read_bytes()
    source.write_bytes(data + b"RIFF" + (20).to_bytes(4, "little") + b"AVIX" + bytes(16))
    assert log_suspicion(log, source) == ""
    source.write_bytes(data + b"RIFF" + (20).to_bytes(4, "little") + b"AVIX" + bytes(9))
    assert log_suspicion(log, source) == "cut_off"
    source.write_bytes(data[:4] + bytes(4) + data[8:-100])
    assert log_suspicion(log, source) == ""


def test_a_part_of_an_avi_has_not_all_its_packets(tmp_path):
    source = numbered_video(tmp_path / "a.avi", 60, codec="mjpeg", fps="25")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    settings = Transcode(short_side=96)
    part = transcode(source, scratch, settings, find_ffmpeg(), segment=Segment(start=0, end=1))
    assert part.suspect == "" and part.num_frames == 25


def test_a_turn_that_is_no_quarter_turn(tmp_path):
    plain = numbered_video(tmp_path / "plain.mp4", 20)
    run_ffmpeg("-display_rotation", 40, "-i", plain, "-c", "copy", tmp_path / "a.mp4")
    assert stored(tmp_path / "a.mp4", tmp_path).suspect == "odd_rotation"
    assert stored(tmp_path / "a.mp4", tmp_path, mode="copy").suspect == "odd_rotation"
