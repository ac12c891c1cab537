"""SPDL as a peer of benchmarks/loader.py: bytes by index, packets of a clip, one filter graph, threads.

`pip install spdl spdl_io`. Each clip is checked to have its 32 frames.
"""

import random

from parts.loader_data import CLIP_LEN, CROP
from parts.loader_peers import BATCH, corner, rate_of


def spdl_clips(folder, seconds, pixels="yuv420p", num_threads=2):
    """Batches of clips from SPDL's pipeline."""
    import spdl.io
    from spdl.pipeline import PipelineBuilder

    from vidprep.shards.shard_set import ShardSet
    from vidprep.shards.stored_video import LocalReader, read_video

    shards = ShardSet.open(folder / "shards")
    columns, reader = shards.columns, LocalReader(shards.root)
    rates = columns.arrays["fps"].tolist()

    def rows():
        while True:
            yield random.randrange(len(columns))

    def decode(row):
        video, fps = columns.video(row), rates[row]
        first = random.randrange(video.num_frames - CLIP_LEN + 1)
        # Half a frame before the first and the one after the last: no rounding moves them.
        start, end = max(0.0, (first - 0.5) / fps), (first + CLIP_LEN - 0.5) / fps
        x, y = corner(video.width - CROP), corner(video.height - CROP)
        graph = f"trim=start={start}:end={end},crop={CROP}:{CROP}:{x}:{y}:exact=1,format=pix_fmts={pixels}"
        packets = spdl.io.demux_video(read_video(reader, video), timestamp=(start, end))
        return spdl.io.decode_packets(packets, filter_desc=graph)

    def together(frames):
        batch = spdl.io.to_numpy(spdl.io.convert_frames(frames))
        if batch.shape[:2] != (BATCH, CLIP_LEN):
            raise ValueError(f"not {BATCH} clips of {CLIP_LEN} frames but {batch.shape}")
        return batch

    pipeline = (
        PipelineBuilder()
        .add_source(rows())
        .pipe(decode, concurrency=num_threads, name="decode")
        .aggregate(BATCH)
        .pipe(together)
        .add_sink(2)
        .build(num_threads=num_threads, max_failures=0)
    )
    with pipeline.auto_stop():
        return rate_of(pipeline.get_iterator(), seconds)
