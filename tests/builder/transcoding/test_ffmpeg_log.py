"""What FFmpeg says, read as facts; the lines are of FFmpeg 9."""

from vidprep.builder.transcoding.ffmpeg_log import parse_log

GOOD = """\
[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:a.mp4':
[info]   Duration: 00:00:10.00, start: 0.000000, bitrate: 519 kb/s
[info]   Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 71 kb/s
[info]   Stream #0:1[0x2](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 340x256, 28 fps, 28 tbr
[info] Output #0, mp4, to 'file:b.mp4':
[info]   Stream #0:0: Video: h264, yuv420p(tv), 426x256 [SAR 1:1 DAR 213:128], q=2-31, 28 fps, 14336 tbn
[out#0/mp4 @ 0x55e] [verbose]   Output stream #0:0 (video): 280 frames encoded; 280 packets muxed (1 bytes);
[in#0/mov,mp4,m4a,3gp,3g2,mj2 @ 0x55f] [verbose]   Input stream #0:1 (video): 280 packets read (5 bytes); \
280 frames decoded; 0 decode errors;
"""


def test_a_good_run():
    log = parse_log(GOOD)
    assert log.container == "mov,mp4,m4a,3gp,3g2,mj2"
    assert log.streams == ("Audio: aac", "Video: h264")
    assert log.source_stream.startswith("Video: h264 (High)")
    assert (log.num_packets, log.num_frames_decoded, log.num_frames_encoded, log.num_decode_errors) == (
        280,
        280,
        280,
        0,
    )
    assert (log.width, log.height, log.fps, log.num_frames_announced) == (426, 256, 28.0, 280)
    assert (log.complaints, log.errors) == ((), ())


def test_who_complains():
    lines = [
        "[in#0/mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] [error] stream 0, offset 0x49a57: partial file",
        "[h264 @ 0x2] [error] Invalid NAL unit size (4405 > 2750).",
        "[h264 @ 0x3] [error] Invalid NAL unit size (4405 > 2750).",
        "[vist#0:1/h264 @ 0x4] [dec:h264 @ 0x5] [error] Error submitting packet to decoder",
        "[aac @ 0x6] [error] Input buffer exhausted before END element found",
        "[libx264 @ 0x7] [warning] nothing to worry about",
    ]
    log = parse_log(GOOD + "\n".join(lines))
    assert log.complaints == (
        "stream 0, offset 0x49a57: partial file",
        "Invalid NAL unit size (4405 > 2750).",
        "Error submitting packet to decoder",
    )
    assert len(log.errors) == 4, "the audio's line is an error too, but no complaint about the video"


def test_the_decoder_may_have_another_name_than_the_codec():
    text = GOOD.replace("Video: h264 (High) (avc1 / 0x31637661)", "Video: av1 (libdav1d) (Main)")
    assert parse_log(text + "[libdav1d @ 0x1] [error] Error parsing OBU data").complaints


def test_a_file_that_never_opened():
    log = parse_log(
        "[in#0 @ 0x1] [error] moov atom not found\n[fatal] Error opening input files: Invalid data\n"
    )
    assert (log.container, log.num_frames_decoded, log.streams) == ("", 0, ())
    assert log.errors == ("moov atom not found", "Error opening input files: Invalid data")
