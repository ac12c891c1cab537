"""Whether as many frames came out of a video as went in: packets read, frames announced, frames decoded."""

from vidprep.builder.transcoding.ffmpeg_log import FFmpegLog

# Share of the packets of a healthy video that become frames, where it is not nearly all of them.
_USUAL_SHARE = 0.9
_SHARES = {
    "vp8": 0.75,  # a hidden alt-ref frame is a packet of its own; VP9 and AV1 put it into that of a shown one
    "mpeg4": 0.5,  # AVI holds a packet for each repeated frame, and an empty one after two packed ones
}
# Fields of an interlaced picture are packets of their own in a stream without a container's samples.
_FIELD_SHARE = 0.5
_FIELD_CONTAINERS = {"mpegts", "mpeg", "h264", "hevc"}
# Leading pictures of an open GOP that a video begins with are dropped: 5 of 87 in a healthy one.
_MAX_LEADING = 8
# An edit list hides what lies between the key frame before a cut and the cut: ten seconds before one.
_EDITED_SHARE = 1 / 8
_ANNOUNCED_SHARE = 0.8


def lacks_frames(log: FFmpegLog) -> bool:
    """Tell whether fewer frames came out of the decoder than of any healthy video.

    Packets are what is there, whatever the header says of rate and duration. Only the header of an MP4 may
    explain that many of them are not shown: by an edit list, whose duration FFmpeg announces.
    """
    decoded = log.num_frames_decoded
    if not log.num_frames_announced:
        return decoded + _MAX_LEADING < _usual_share(log) * log.num_packets
    expected = min(log.num_frames_announced, log.num_packets)
    return (
        decoded + _MAX_LEADING < _ANNOUNCED_SHARE * expected
        or decoded < _EDITED_SHARE * log.num_packets
        # Half, because sound may last longer than pictures, and then the header's duration is the sound's.
        or 2 * decoded < log.num_frames_announced
    )


def _usual_share(log: FFmpegLog) -> float:
    if log.container in _FIELD_CONTAINERS:
        return _FIELD_SHARE
    return _SHARES.get(log.source_codec, _USUAL_SHARE)
