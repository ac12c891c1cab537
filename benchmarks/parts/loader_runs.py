"""What benchmarks/loader.py measures: our loader, the decoder's limit and the peers, each by its name."""

import statistics
import time

from parts.loader_data import CLIP_LEN
from parts.loader_peers import (
    BATCH,
    WORKERS,
    dataloader_our_decoder,
    decord_clip,
    jpeg_tars,
    litdata_chunks,
    original_files,
    original_torchcodec_clip,
    rate_of,
    webdataset_torchcodec,
)
from parts.spdl_peer import spdl_clips


def ours(folder, seconds, pixels="yuv420", **clip):
    from vidprep.load import ClipLoader, LoaderOptions
    from vidprep.load.bench import repeated
    from vidprep.recipes.recipe import TrainClip
    from vidprep.shards.shard_set import ShardSet

    shards = repeated(ShardSet.open(folder / "shards"), 2000)
    options = LoaderOptions(num_workers=WORKERS)
    loader = ClipLoader(shards, clip=TrainClip(**clip), batch_size=BATCH, pixels=pixels, options=options)
    return rate_of(loader, seconds)


def limit(folder, seconds, **clip):
    """Processes that decode the same clips from memory and throw the frames away."""
    return processes(decode_loop, folder, seconds, {"convert": False, **clip})


def decode_loop(folder, seconds, seed, convert, **clip):
    """Decode clips of the shards from memory; with `convert`, into one buffer in place."""
    import numpy as np

    from vidprep.load.decoding.decode import PyavDecoder
    from vidprep.load.decoding.frames import read_frames
    from vidprep.load.sampling.clips import train_frames
    from vidprep.load.sampling.crops import train_box
    from vidprep.load.sampling.draws import Draws
    from vidprep.load.sampling.views import View
    from vidprep.recipes.recipe import TrainClip
    from vidprep.shards.shard_set import ShardSet
    from vidprep.shards.stored_video import LocalReader, read_video

    shards, settings = ShardSet.open(folder / "shards"), TrainClip(**clip)
    split = shards.split("train")
    stored = [split.video(row) for row in range(len(split))]
    videos = [read_video(LocalReader(shards.root), video) for video in stored]
    decoder, out = PyavDecoder("yuv420", 226), np.zeros((1, CLIP_LEN, 339, 226), np.uint8)
    start, cpu, done = time.perf_counter(), time.thread_time(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        draws, i = Draws(seed, done), done % len(videos)
        frames = train_frames(settings, stored[i].num_frames, draws)
        if convert:
            view = View(tuple(frames), train_box(settings, stored[i].width, stored[i].height, draws))
            decoder.decode(videos[i], [view], out, num_frames=stored[i].num_frames)
        else:
            for _ in read_frames(videos[i], sorted(set(frames)), num_frames=stored[i].num_frames):
                pass
        done += 1
    return done / elapsed, done / (time.thread_time() - cpu)


def processes(loop, folder, seconds, options):
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(abs, range(WORKERS * 4)))  # all of them have started
        runs = [pool.submit(loop, folder, seconds, seed, **options) for seed in range(WORKERS)]
        return together([run.result() for run in runs])


def together(results):
    """Rates of several workers: their sum a second, their mean a CPU second."""
    return sum(rate for rate, _ in results), statistics.mean(per_cpu for _, per_cpu in results)


def in_threads(folder, seconds, num_threads, convert):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(num_threads) as pool:
        runs = [pool.submit(decode_loop, folder, seconds, seed, convert) for seed in range(num_threads)]
        return together([run.result() for run in runs])


UNIFORM, STEP_2 = {"temporal": "uniform"}, {"frame_step": 2}
RUNS = {
    "limit": limit,
    "ours yuv420": ours,
    "ours rgb": lambda *a: ours(*a, pixels="rgb"),
    "webdataset + torchcodec": webdataset_torchcodec,
    "litdata": litdata_chunks,
    "JPEG tars": jpeg_tars,
    "original files, torchcodec": lambda *a: original_files(*a, original_torchcodec_clip),
    "original files, decord": lambda *a: original_files(*a, decord_clip),
    "limit, step 2": lambda *a: limit(*a, **STEP_2),
    "ours, step 2": lambda *a: ours(*a, **STEP_2),
    "webdataset, step 2": lambda *a: webdataset_torchcodec(*a, **STEP_2),
    "limit, uniform": lambda *a: limit(*a, **UNIFORM),
    "ours, uniform": lambda *a: ours(*a, **UNIFORM),
    "webdataset, uniform": lambda *a: webdataset_torchcodec(*a, **UNIFORM),
    "DataLoader, our decoder": dataloader_our_decoder,
    "1 thread": lambda *a: in_threads(*a, 1, True),
    "2 threads": lambda *a: in_threads(*a, 2, True),
    "4 threads": lambda *a: in_threads(*a, 4, True),
    "2 processes": lambda *a: processes(decode_loop, *a, {"convert": True}),
    "SPDL yuv420p, 2 threads": spdl_clips,
    "SPDL rgb, 2 threads": lambda *a: spdl_clips(*a, pixels="rgb24"),
    "SPDL yuv420p, 4 threads": lambda *a: spdl_clips(*a, num_threads=4),
    "SPDL rgb, 4 threads": lambda *a: spdl_clips(*a, pixels="rgb24", num_threads=4),
    "1 clip, uniform": lambda *a: ours(*a, clip_len=16, **UNIFORM),
    "2 clips, uniform": lambda *a: ours(*a, clip_len=16, clips_per_video=2, **UNIFORM),
    "1 clip, 16 x 4": lambda *a: ours(*a, clip_len=16, frame_step=4),
    "2 clips, 16 x 4": lambda *a: ours(*a, clip_len=16, frame_step=4, clips_per_video=2),
    "2 clips of the same frames, 16 x 4": lambda *a: ours(
        *a, clip_len=16, frame_step=4, clips_per_video=2, same_frames=True
    ),
    "1 clip, 32 x 8": lambda *a: ours(*a, clip_len=32, frame_step=8),
    "2 clips, 32 x 8": lambda *a: ours(*a, clip_len=32, frame_step=8, clips_per_video=2),
}
