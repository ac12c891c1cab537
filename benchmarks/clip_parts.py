"""Where the CPU time of a clip goes, one thread, part by part, and what reading less of a video would save.

    python benchmarks/loader.py prepare --videos DIR
    python benchmarks/clip_parts.py

Parts take turns, round after round, over the same clips of 32 frames with a 224 crop. It writes its
section of RESULTS.md. "Head and groups" is a prototype of what no reader does: it reads the head of an MP4,
then the packets from the key frame before the clip to the end of its last group, with a crc32 for each group.
"""

import argparse
import random
import statistics
import time
import zlib
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

import numpy as np
from av.packet import Packet

from parts.charts import spread
from parts.loader_data import CLIP_LEN, CROP, as_worker
from parts.results_file import Section, add_results_option
from vidprep.load.decoding.decode import PyavDecoder
from vidprep.load.decoding.frames import read_frames
from vidprep.load.decoding.pixels import buffer_side, frame_shape
from vidprep.load.decoding.stored_mp4 import StoredReader, parse_packets
from vidprep.load.sampling.views import Box, View
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import LocalReader, pread, read_video

SECTION = "Where the time of a clip goes (`benchmarks/clip_parts.py`)"
CHEAP = ("read", "parse")  # measured over six times as many clips


class Clips:
    """Videos in memory and on disk, and one way to do each part of a clip's work."""

    def __init__(self, folder):
        shards = ShardSet.open(folder / "shards")
        split, self.reader = shards.split("train"), LocalReader(shards.root)
        self.videos = [split.video(row) for row in range(len(split))]
        self.paths = [Path(shards.root, video.shard) for video in self.videos]
        self.data = [read_video(self.reader, video) for video in self.videos]
        self.tables = [parse_packets(data) for data in self.data]
        self.stored = StoredReader()
        self.decoders = {pixels: self._decoder(pixels) for pixels in ("yuv420", "rgb")}

    def _decoder(self, pixels):
        side = buffer_side(pixels, CROP)
        return PyavDecoder(pixels, side), np.zeros((1, CLIP_LEN, *frame_shape(pixels, side)), np.uint8)

    def read(self, at, first):
        pread(self.paths[at], self.videos[at].offset, self.videos[at].size)

    def read_checked(self, at, first):
        read_video(self.reader, self.videos[at])

    def read_groups(self, at, first):
        video, table = self.videos[at], self.tables[at]
        zlib.crc32(pread(self.paths[at], video.offset, table.offsets[0]))
        groups = bisect_right(table.keys, first) - 1, bisect_right(table.keys, first + CLIP_LEN - 1)
        starts = [table.offsets[key] for key in table.keys[groups[0] : groups[1]]]
        after = groups[1] < len(table.keys)
        starts.append(table.offsets[table.keys[groups[1]]] if after else video.size)
        part = memoryview(pread(self.paths[at], video.offset + starts[0], starts[-1] - starts[0]))
        for start, stop in pairwise(starts):
            zlib.crc32(part[start - starts[0] : stop - starts[0]])

    def parse(self, at, first):
        parse_packets(self.data[at])

    def codec(self, at, first):
        """Feed packets to an open decoder, from the key frame on; the frames are not used."""
        data, table = self.data[at], self.tables[at]
        decoder = self.stored._decoder(table.decoder_config)
        for number in range(table.keys[bisect_right(table.keys, first) - 1], first + CLIP_LEN):
            start = table.offsets[number]
            decoder.decode(Packet(data[start : start + table.sizes[number]]))

    def demuxed(self, at, first):
        wanted = range(first, first + CLIP_LEN)
        for _ in read_frames(self.data[at], wanted, num_frames=self.videos[at].num_frames):
            pass

    def whole(self, at, first, pixels):
        """What a worker does for a clip: read, check, decode, write pixels."""
        video, (decoder, out) = self.videos[at], self.decoders[pixels]
        data = read_video(self.reader, video)
        left = (video.width - CROP) // 2
        view = View(tuple(range(first, first + CLIP_LEN)), Box(top=16, left=left, height=CROP, width=CROP))
        decoder.decode(data, [view], out, num_frames=video.num_frames)

    def parts(self):
        return {
            "read a whole video": self.read,
            "read a whole video, crc32": self.read_checked,
            "read head and groups, crc32 (prototype)": self.read_groups,
            "parse the head": self.parse,
            "packets to an open decoder: libavcodec alone": self.codec,
            "demux and decode with FFmpeg's reader, from memory": self.demuxed,
            "all of a clip, yuv420": lambda at, first: self.whole(at, first, "yuv420"),
            "all of a clip, rgb": lambda at, first: self.whole(at, first, "rgb"),
        }


def measure(clips, number, seed):
    """CPU milliseconds of each part, over the same clips."""
    found = {}
    for name, work in clips.parts().items():
        draws, many = random.Random(seed), number * (6 if name.startswith(CHEAP) else 1)
        start = time.thread_time()
        for done in range(many):
            at = done % len(clips.videos)
            work(at, draws.randrange(clips.videos[at].num_frames - CLIP_LEN + 1))
        found[name] = (time.thread_time() - start) / many * 1000
    return found


def ratio(rounds, one, other):
    return spread([found[one] / found[other] for found in rounds])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-loader"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=40, help="clips that each part handles in each round")
    add_results_option(parser)
    args = parser.parse_args()
    as_worker()
    clips = Clips(args.folder)
    measure(clips, 8, 0)  # warm
    rounds = [measure(clips, args.clips, number) for number in range(args.rounds)]
    sizes = [video.size / 1000 for video in clips.videos]
    section = Section(args.results, SECTION)
    section.begin(
        f"{len(sizes)} stored videos of {min(sizes):.0f} to {max(sizes):.0f} KB; "
        f"{args.rounds} rounds of {args.clips} clips"
    )
    bars = {name: [found[name] for found in rounds] for name in rounds[0]}
    section.table(("part", "CPU ms a clip"), [(name, spread(found)) for name, found in bars.items()])
    section.chart(bars, "CPU ms a clip", "clip-parts")
    codec, demuxed = list(bars)[4:6]
    for pixels in ("yuv420", "rgb"):
        whole = f"all of a clip, {pixels}"
        section.add(
            f"- {pixels}: {ratio(rounds, demuxed, whole)} of demuxing and decoding alone; "
            f"{ratio(rounds, codec, whole)} of libavcodec alone."
        )
    section.add(f"- libavcodec alone is {ratio(rounds, demuxed, codec)} times demuxing and decoding alone.")
    saved = [
        (found["read a whole video, crc32"] - found["read head and groups, crc32 (prototype)"])
        / found["all of a clip, yuv420"]
        for found in rounds
    ]
    section.add(
        f"- Reading head and groups only would save {statistics.median(saved):.1%} of a clip "
        f"({min(saved):.1%} to {max(saved):.1%})."
    )


if __name__ == "__main__":
    main()
