"""VP9 that FFmpeg's own decoder shows without a word is heard by libvpx, the reference decoder."""

import shutil
from dataclasses import replace

import av
import pytest

from tests.builder.transcoding.test_transcode import fake_ffmpeg, rejected, store
from tests.helpers.raw_videos.videos import numbered_video
from vidprep.builder.transcoding import transcode
from vidprep.builder.transcoding.command import decode_command
from vidprep.builder.transcoding.ffmpeg_run import run_ffmpeg
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode

COPY = Transcode(mode="copy")
# The wrapped FFmpeg, whose decoder from outside says no word of what it refuses, but counts it at the end.
SILENT = """case "$*" in *libvpx-vp9*)
"{ffmpeg}" "$@" 2>"{errors}"; code=$?; grep -v "Error submitting packet" "{errors}" >&2; exit $code;;
esac"""


@pytest.fixture(scope="module")
def short_packet(tmp_path_factory):
    """A video one of whose packets lacks its last quarter."""
    folder = tmp_path_factory.mktemp("vp9")
    options = ("-b:v", "1M", "-deadline", "realtime")
    whole = numbered_video(folder / "whole.webm", 20, codec="libvpx-vp9", options=options)
    with av.open(str(whole)) as source, av.open(str(folder / "short.webm"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number == 7:
                short = av.Packet(bytes(packet)[: -packet.size // 4])
                short.pts, short.dts, short.time_base = packet.pts, packet.dts, packet.time_base
                packet = short
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return folder / "short.webm"


def test_ffmpegs_own_decoder_says_nothing(short_packet):
    log = run_ffmpeg(decode_command(find_ffmpeg(), short_packet), COPY)
    assert (log.complaints, log.num_decode_errors, log.num_frames_decoded) == ((), 0, 20)


@pytest.mark.parametrize("settings", [Transcode(short_side=96), COPY], ids=["encode", "copy"])
def test_what_libvpx_refuses_is_partial(short_packet, tmp_path, settings):
    error = rejected(short_packet, tmp_path, settings)
    assert error.reason == "partial"
    assert "Error submitting packet to decoder" in error.detail
    healthy = numbered_video(tmp_path / "a.webm", 20, codec="libvpx-vp9", options=("-deadline", "realtime"))
    assert store(healthy, tmp_path, settings).num_frames == 20


def test_decode_errors_count_also_without_a_word(short_packet, tmp_path):
    body = SILENT.format(ffmpeg=find_ffmpeg(), errors=tmp_path / "errors")
    error = rejected(short_packet, tmp_path, ffmpeg=fake_ffmpeg(tmp_path / "silent", body))
    assert error.reason == "partial" and "Error submitting" not in error.detail


@pytest.mark.parametrize(
    ("codec", "options", "runs"),
    [
        ("libvpx-vp9", ("-b:v", "200k", "-deadline", "realtime"), 1),
        # Hidden frames, more colours, a picture whose sides are odd.
        ("libvpx-vp9", ("-b:v", "50k", "-auto-alt-ref", 6, "-lag-in-frames", 25, "-cpu-used", 5), 1),
        ("libvpx-vp9", ("-b:v", "200k", "-deadline", "realtime", "-vf", "setparams=colorspace=bt709"), 1),
        ("libvpx-vp9", ("-b:v", "200k", "-deadline", "realtime", "-vf", "crop=97:95:exact=1"), 1),
        ("libvpx-vp9", ("-b:v", "200k", "-deadline", "realtime", "-pix_fmt", "yuv444p"), 2),
        ("libvpx", ("-b:v", "200k", "-deadline", "realtime"), 3),
    ],
    ids=["plain", "alt-ref", "bt709", "odd", "4:4:4", "VP8"],
)
def test_a_healthy_webm_is_decoded_once_and_stored_as_by_ffmpegs_own_decoder(
    tmp_path, monkeypatch, codec, options, runs
):
    """In a file of another name FFmpeg's own decoder makes the stored video."""
    webm = numbered_video(tmp_path / "a.webm", 30, codec=codec, options=options)
    other = shutil.copy(webm, tmp_path / "a.mkv")
    commands, run = [], run_ffmpeg
    monkeypatch.setattr(transcode, "run_ffmpeg", lambda *words: commands.append(words) or run(*words))
    ours = store(webm, tmp_path)
    stored, num_runs = ours.path.read_bytes(), len(commands)
    theirs = store(other, tmp_path)
    assert (num_runs, ours.num_frames) == (runs, 30)
    assert stored == theirs.path.read_bytes() and ours == replace(theirs, path=ours.path)
