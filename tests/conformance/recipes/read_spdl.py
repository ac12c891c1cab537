import glob

import spdl.io


def read(path):
    with open(path, "rb") as tar:
        members = {}
        for name, data in spdl.io.iter_tarfile(tar):  # a sample's members follow one another, the video last
            key, _, kind = name.rpartition(".")
            members[kind] = bytes(data)
            if kind == "mp4":
                yield key, int(members["cls"]), members["mp4"]


samples = (sample for path in sorted(glob.glob(f"{SHARDS}/train/*.tar")) for sample in read(path))


def decode(video):
    """All frames, (T, H, W, 3) uint8 RGB."""
    packets = spdl.io.demux_video(video)
    frames = spdl.io.decode_packets(packets, filter_desc=spdl.io.get_video_filter_desc(pix_fmt="rgb24"))
    return spdl.io.to_numpy(spdl.io.convert_frames(frames))
