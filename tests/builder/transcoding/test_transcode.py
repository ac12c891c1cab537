"""One video in, the same frames out, or a true reason."""

import os
import shutil
import stat
from dataclasses import replace

import av
import numpy as np
import pytest

from tests.helpers.raw_videos.videos import (
    decode_grey,
    numbered_frames,
    numbered_video,
    read_numbers,
    run_ffmpeg,
    write_video,
)
from vidprep.builder.transcoding.transcode import check_stored, transcode
from vidprep.errors import BuildError, BuildStopped, VideoRejected
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode

SMALL = Transcode(short_side=96)


def store(source, tmp_path, settings=SMALL, ffmpeg=None):
    scratch = tmp_path / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return check_stored(transcode(source, scratch, settings, ffmpeg or find_ffmpeg()), settings)


def rejected(source, tmp_path, settings=SMALL, ffmpeg=None):
    with pytest.raises(VideoRejected) as caught:
        store(source, tmp_path, settings, ffmpeg)
    return caught.value


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", {}),
        ("bframes.mp4", {"options": ("-bf", 3, "-g", 250)}),
        ("open_gop.mkv", {"options": ("-bf", 2, "-g", 10, "-x264-params", "open-gop=1")}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": ("-crf", 20, "-b:v", 0, "-deadline", "realtime")}),
        ("mpeg4.avi", {"codec": "mpeg4", "options": ("-q:v", 2, "-bf", 2)}),
        ("ntsc.mp4", {"fps": "30000/1001"}),
        ("two_fps.mp4", {"fps": 2}),
        ("no_duration.webm", {"codec": "libvpx-vp9", "options": ("-live", 1, "-deadline", "realtime")}),
    ],
)
def test_every_frame_once_and_in_order(tmp_path, name, options):
    video = store(numbered_video(tmp_path / name, 40, **options), tmp_path)
    assert read_numbers(decode_grey(video.path)) == list(range(40))
    assert video.num_frames == 40


def test_variable_frame_rate_keeps_every_frame(tmp_path):
    source = numbered_video(
        tmp_path / "vfr.mkv", 30, filters=r"setpts=(N*N+N)/30/TB", options=("-fps_mode", "passthrough")
    )
    video = store(source, tmp_path)
    assert read_numbers(decode_grey(video.path)) == list(range(30))
    with av.open(str(video.path)) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert len(set(np.diff(stamps))) == 1, "frame i is shown at i / fps"


def test_edit_list_hides_what_it_hides_and_no_more(tmp_path):
    whole = numbered_video(tmp_path / "whole.mp4", 40, options=("-bf", 0, "-g", 40))
    # Copying from the middle of a GOP: the packets before the start stay, an edit list hides them.
    run_ffmpeg("-ss", "0.5", "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    video = store(tmp_path / "cut.mp4", tmp_path)
    assert read_numbers(decode_grey(video.path)) == list(range(15, 40))


@pytest.mark.parametrize("bframes", [0, 3])
def test_stored_form(tmp_path, bframes):
    settings = Transcode(short_side=96, gop=8, bframes=bframes)
    video = store(numbered_video(tmp_path / "a.mp4", 30, fps=25), tmp_path, settings)
    with av.open(str(video.path)) as container:
        stream = container.streams.video[0]
        assert len(container.streams) == 1
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.codec_context.color_range == 1, "limited range"
        assert stream.codec_context.colorspace in (5, 6), "BT.601"
        assert stream.average_rate == 25
        packets = [packet for packet in container.demux(stream) if packet.size]
    key_frames = [packet.pts for packet in packets if packet.is_keyframe]
    assert key_frames == [packets[0].pts + 8 * i * packets[0].duration for i in range(4)]
    assert (sorted(p.pts for p in packets) == [p.pts for p in packets]) == (bframes == 0)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_comes_out_upright(tmp_path, degrees):
    upright = np.zeros((3, 96, 160), np.uint8)
    upright[:, :48, :80] = 255  # a white quarter, top left
    stored_turns = degrees // 90
    lying = np.ascontiguousarray(np.rot90(upright, k=stored_turns, axes=(1, 2)))
    plain = write_video(tmp_path / "lying.mp4", lying)
    # FFmpeg's display_rotation turns counter-clockwise, and so does rot90: undo it.
    run_ffmpeg("-display_rotation", (-degrees) % 360, "-i", plain, "-c", "copy", tmp_path / "tagged.mp4")
    video = store(tmp_path / "tagged.mp4", tmp_path)
    frame = decode_grey(video.path)[0].astype(int)
    assert (video.width, video.height) == (160, 96)
    assert frame[10:40, 10:70].min() > 200
    assert frame[58:, :].max() < 60
    assert frame[:, 90:].max() < 60


def test_pixels_become_square(tmp_path):
    source = numbered_video(tmp_path / "sar.mp4", 5, width=128, height=96, filters="setsar=2/1")
    video = store(source, tmp_path)
    assert (video.width, video.height) == (256, 96)
    tall = numbered_video(tmp_path / "tall.mp4", 5, width=128, height=96, filters="setsar=1/2")
    video = store(tall, tmp_path)
    assert (video.width, video.height) == (96, 144)


def test_sizes_are_even_and_the_short_side_exact(tmp_path):
    for width, height in ((130, 98), (96, 170), (64, 64), (320, 50)):
        video = store(numbered_video(tmp_path / "a.mp4", 2, width=width, height=height), tmp_path)
        assert min(video.width, video.height) == 96
        assert video.width % 2 == video.height % 2 == 0
        assert video.width / video.height == pytest.approx(width / height, abs=0.02)


def mean_rgb(path):
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").reshape(-1, 3).mean(0)


@pytest.mark.parametrize(
    ("pixels", "tags"),
    [
        ("yuvj420p", ()),
        ("yuv444p", ()),
        ("yuv420p10le", ()),
        ("gray", ()),
        ("rgb24", ()),
        ("yuv420p", ("-colorspace", "bt709")),
        ("yuv420p", ("-colorspace", "smpte170m")),
    ],
)
def test_colours_survive_every_pixel_format(tmp_path, pixels, tags):
    rgb = (200, 60, 90) if pixels != "gray" else (120, 120, 120)
    colour = f"color=c=0x{rgb[0]:02x}{rgb[1]:02x}{rgb[2]:02x}:s=128x96:r=10:d=0.5"
    codec = "ffv1" if pixels in ("gray",) else "libx264rgb" if pixels == "rgb24" else "libx264"
    matrix = "bt709" if "bt709" in tags else "bt601"
    full = "pc" if pixels == "yuvj420p" else "tv"
    convert = f"format=rgb24,scale=out_color_matrix={matrix}:out_range={full},format={pixels}"
    run_ffmpeg(
        *("-f", "lavfi", "-i", colour, "-vf", convert, "-c:v", codec, *tags),
        *(("-color_range", "pc") if full == "pc" else ()),
        tmp_path / "a.mkv",
    )
    video = store(tmp_path / "a.mkv", tmp_path, Transcode(short_side=96, crf=1))
    before, after = mean_rgb(tmp_path / "a.mkv"), mean_rgb(video.path)
    assert np.abs(before - rgb).max() < 6, "the test's own source"
    assert np.abs(after - before).max() < 4


def test_audio_and_metadata_are_dropped_and_bytes_repeat(tmp_path):
    sound = ("-f", "lavfi", "-i", "sine=d=2")
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=128x96:d=2", *sound, "-metadata", "title=secret"),
        *("-pix_fmt", "yuv420p", tmp_path / "a.mp4"),
    )
    first = store(tmp_path / "a.mp4", tmp_path).path.read_bytes()
    second = store(tmp_path / "a.mp4", tmp_path).path.read_bytes()
    assert first == second
    assert b"secret" not in first
    assert first.index(b"moov") < first.index(b"mdat")


def test_a_change_of_resolution_keeps_the_order(tmp_path):
    a = write_video(tmp_path / "a.ts", numbered_frames(range(10)))
    b = write_video(tmp_path / "b.ts", numbered_frames(range(10, 20), width=64, height=48))
    (tmp_path / "both.ts").write_bytes(a.read_bytes() + b.read_bytes())
    video = store(tmp_path / "both.ts", tmp_path, Transcode(short_side=96, partial="keep"))
    assert read_numbers(decode_grey(video.path)) == list(range(20))


# --- rejections -------------------------------------------------------------------------------------------


def test_a_stored_video_with_other_frames_is_noticed(tmp_path):
    video = store(numbered_video(tmp_path / "a.mp4", 12), tmp_path)
    with pytest.raises(VideoRejected, match="frame_count: 13 frames encoded, 12 decode again"):
        check_stored(replace(video, num_frames=13), SMALL)
    video.path.write_bytes(video.path.read_bytes()[:200])
    with pytest.raises(VideoRejected, match="frame_count: the stored video does not decode"):
        check_stored(video, SMALL)


def test_rejects_what_is_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all")
    assert rejected(tmp_path / "text.mp4", tmp_path).reason == "unreadable"
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=1", tmp_path / "sound.mp4")
    error = rejected(tmp_path / "sound.mp4", tmp_path)
    assert (error.reason, error.detail) == ("no_video_stream", "streams found: Audio: aac")


def test_refuses_playlists_that_name_other_files(tmp_path):
    numbered_video(tmp_path / "secret.mp4")
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path / 'secret.mp4'}\n")
    assert rejected(tmp_path / "list.mp4", tmp_path).reason == "unreadable"
    (tmp_path / "hls.mp4").write_text("#EXTM3U\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n")
    assert rejected(tmp_path / "hls.mp4", tmp_path).reason == "unreadable"


# Moov in front, and so many key frames that a part of the file holds a part of the video.
FRONT = ("-movflags", "+faststart", "-g", 5, "-bf", 0)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_truncated_videos(tmp_path):
    front = numbered_video(tmp_path / "front.mp4", 60, options=FRONT)
    error = rejected(cut(front, 0.6), tmp_path)
    assert error.reason == "partial"
    assert "packets read" in error.detail
    back = numbered_video(tmp_path / "back.mp4", 60)
    assert rejected(cut(back, 0.3), tmp_path).reason == "unreadable"


def test_partial_can_be_kept_and_is_flagged(tmp_path):
    source = cut(numbered_video(tmp_path / "a.mp4", 60, options=FRONT), 0.6)
    video = store(source, tmp_path, Transcode(short_side=96, partial="keep"))
    assert 0 < video.num_frames < 60
    assert read_numbers(decode_grey(video.path)) == list(range(video.num_frames))
    assert video.detail.startswith("partial: ")


def test_damaged_audio_does_not_matter(tmp_path):
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=128x96:d=1:r=10", "-f", "lavfi", "-i", "sine=d=1"),
        *("-pix_fmt", "yuv420p", "-c:a", "aac", tmp_path / "a.mkv"),
    )
    with av.open(str(tmp_path / "a.mkv")) as container:
        sound = [bytes(p) for p in container.demux(audio=0) if p.size > 40]
    data = (tmp_path / "a.mkv").read_bytes()
    for packet in sound:
        data = data.replace(packet, b"\xff" * len(packet))
    (tmp_path / "a.mkv").write_bytes(data)
    assert store(tmp_path / "a.mkv", tmp_path).num_frames == 10


def test_too_few_frames(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 5)
    error = rejected(source, tmp_path, Transcode(short_side=96, min_frames=6))
    assert (error.reason, error.detail[:24]) == ("too_few_frames", "5 frames, min_frames = 6")


def test_out_of_memory_costs_the_video_alone(tmp_path):
    source = numbered_video(
        tmp_path / "big.mp4", 2, width=8192, height=4096, options=("-preset", "ultrafast")
    )
    assert rejected(source, tmp_path, Transcode(short_side=96, memory_mb=330)).reason == "out_of_memory"


def test_want_of_memory_is_told_from_damage_whatever_ffmpeg_calls_it(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 5)
    words = "echo '[error] Invalid data found when processing input' >&2; exit 1"
    short = fake_ffmpeg(tmp_path / "short", f'[ "$(ulimit -v)" -gt {4097 << 10} ] || {{ {words}; }}')
    assert rejected(source, tmp_path, ffmpeg=short).reason == "out_of_memory"
    never = fake_ffmpeg(tmp_path / "never", words)
    assert rejected(source, tmp_path, ffmpeg=never).reason == "unreadable"
    words = "echo '[mov,mp4] [error] Broken file, trak/mdat not at top-level' >&2; "
    words += "echo '[in#0] [error] Error opening input: Cannot allocate memory' >&2; exit 1"
    broken = fake_ffmpeg(tmp_path / "broken", words)  # a header that asks for exabytes
    assert rejected(source, tmp_path, ffmpeg=broken).reason == "unreadable"


def test_a_decoder_that_runs_further_ahead_by_chance_did_not_lack_memory(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 5)
    runs = tmp_path / "runs"
    say = "echo '[h264 @ 0x1] [error] mmco: unref short failure' >&2"
    further = f'sed -E "s/5 frames decoded/$((5 + $(wc -c < {runs}))) frames decoded/" {tmp_path}/log >&2'
    ahead = fake_ffmpeg(
        tmp_path / "ahead",
        f'[ "$2" = -version ] && exec "{find_ffmpeg()}" "$@"\nprintf . >> {runs}\n{say}\n'
        f'"{find_ffmpeg()}" "$@" 2> {tmp_path}/log; code=$?; {further}; exit $code',
    )
    error = rejected(source, tmp_path, ffmpeg=ahead)
    assert (error.reason, "mmco" in error.detail) == ("partial", True)
    assert runs.read_text() == ".."


def fake_ffmpeg(path, body):
    path.write_text(f'#!/bin/sh\n{body}\nexec "{find_ffmpeg()}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


def test_a_crash_and_a_hang(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 5)
    crash = fake_ffmpeg(tmp_path / "crash", "kill -SEGV $$")
    error = rejected(source, tmp_path, ffmpeg=crash)
    assert error.reason == "crashed"
    assert "killed by signal 11" in error.detail
    hang = fake_ffmpeg(tmp_path / "hang", "exec sleep 1000")
    error = rejected(source, tmp_path, Transcode(short_side=96, timeout_seconds=0.5), hang)
    assert (error.reason, "timeout_seconds = 0.5" in error.detail) == ("timed_out", True)


def test_killed_once_from_outside_is_tried_again(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 5)
    once = fake_ffmpeg(tmp_path / "once", f"mkdir {tmp_path}/killed 2>/dev/null && kill -KILL $$")
    assert store(source, tmp_path, ffmpeg=once).num_frames == 5
    always = fake_ffmpeg(tmp_path / "always", "kill -KILL $$")
    assert rejected(source, tmp_path, ffmpeg=always).reason == "out_of_memory"


def test_told_to_stop_is_no_rejection(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 5)
    told = fake_ffmpeg(tmp_path / "told", "kill -TERM $$")
    with pytest.raises(BuildStopped, match="Run the same build again"):
        store(source, tmp_path, ffmpeg=told)


def test_a_full_disk_is_no_rejection(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 5)
    full = fake_ffmpeg(tmp_path / "full", 'echo "[error] No space left on device" >&2; exit 228')
    with pytest.raises(BuildError, match="No room left for temporary files"):
        store(source, tmp_path, ffmpeg=full)


# --- mode = "copy" ------------------------------------------------------------------------------------------

COPY = Transcode(mode="copy")


def test_copy_keeps_the_bytes_of_an_mp4(tmp_path):
    source = numbered_video(tmp_path / "a.mp4", 20, fps=25)
    video = store(source, tmp_path, COPY)
    assert video.path.read_bytes() == source.read_bytes()
    assert (video.num_frames, video.width, video.height, video.fps) == (20, 128, 96, 25.0)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.ts"])
def test_copy_remuxes_other_containers(tmp_path, name):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    video = store(numbered_video(tmp_path / name, 20, codec=codec), tmp_path, COPY)
    assert read_numbers(decode_grey(video.path)) == list(range(20))
    with av.open(str(video.path)) as container:
        assert "mp4" in container.format.name


def test_copy_rejects_as_encode_does(tmp_path):
    source = cut(numbered_video(tmp_path / "a.mp4", 60, options=FRONT), 0.6)
    assert rejected(source, tmp_path, COPY).reason == "partial"
    os.truncate(source, 0)
    assert rejected(source, tmp_path, COPY).reason == "unreadable"
