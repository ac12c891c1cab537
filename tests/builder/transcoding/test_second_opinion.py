"""VP9 that FFmpeg's own decoder shows without a word is heard by libvpx, the reference decoder."""

import av
import pytest

from tests.builder.transcoding.test_transcode import fake_ffmpeg, rejected, store
from tests.helpers.raw_videos.videos import numbered_video
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
