"""How long the views of an evaluation take, CPU seconds of one thread."""

import time

from parts.loader_data import CLIP_LEN

NUM_VIEWS, SIDE, MAX_VIDEOS = 30, 258, 8


def time_views(folder, rounds):
    """CPU seconds of a video's 30 views, a mean over all videos for each round: three lists.

    With one decode of a video, with one for each view, and the limit: each frame that a view shows is decoded
    once, and the memory of all views is filled.
    """
    import numpy as np

    from vidprep.load.decoding.decode import PyavDecoder
    from vidprep.load.decoding.stored_mp4 import StoredReader
    from vidprep.shards.shard_set import ShardSet
    from vidprep.shards.stored_video import LocalReader, read_video

    shards = ShardSet.open(folder / "shards")
    split = shards.split("train")
    videos = [split.video(row) for row in range(min(MAX_VIDEOS, len(split)))]
    loaded = [(read_video(LocalReader(shards.root), video), video, views_of(video)) for video in videos]
    out = np.zeros((NUM_VIEWS, CLIP_LEN, SIDE * 3 // 2, SIDE), np.uint8)
    decoder, bare = PyavDecoder("yuv420", SIDE), StoredReader()

    def once(data, video, views):
        decoder.decode(data, views, out, num_frames=video.num_frames)

    def each(data, video, views):
        for at, view in enumerate(views):
            decoder.decode(data, [view], out[at : at + 1], num_frames=video.num_frames)

    def limit(data, video, views):
        frames = sorted({frame for view in views for frame in view.frames})
        for _ in bare.read(data, frames, num_frames=video.num_frames):
            pass
        out.fill(7)

    once(*loaded[0])  # a first decode sets up decoders and memory
    times = [[], [], []]
    for _ in range(rounds):
        spent = [0.0, 0.0, 0.0]
        for video in loaded:
            for place, way in enumerate((once, each, limit)):
                start = time.thread_time()
                way(*video)
                spent[place] += time.thread_time() - start
        for found, seconds in zip(times, spent, strict=True):
            found.append(seconds / len(loaded))
    return times


def views_of(video):
    """Ten clips over a video, three crops of each."""
    from vidprep.load.sampling.clips import eval_frames
    from vidprep.load.sampling.crops import eval_boxes
    from vidprep.load.sampling.views import View
    from vidprep.recipes.recipe import EvalViews

    settings = EvalViews(num_clips=10)
    clips = eval_frames(settings, video.num_frames)
    boxes = eval_boxes(settings, video.width, video.height)
    return [View(tuple(clip), box) for clip in clips for box in boxes]
