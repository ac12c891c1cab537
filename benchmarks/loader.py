"""How fast clips load, against the limit of the decoder and against what others use.

    python benchmarks/loader.py prepare --videos DIR    originals, shards, JPEG tars, litdata chunks
    python benchmarks/loader.py compare                 all loaders in turn, several rounds; ratios
    python benchmarks/loader.py sampling                dense step 2 and uniform clips
    python benchmarks/loader.py clips                   two clips of a video from one decode, against one
    python benchmarks/loader.py views                   evaluation: one decode a video against one a view
    python benchmarks/loader.py spdl                    SPDL, with 2 and 4 threads
    python benchmarks/loader.py engine                  processes, threads, DataLoader

Peers: `pip install -e .[bench]` and FFmpeg's libraries for torchcodec. litdata brings torchvision, which this
project does without: install it elsewhere and name that interpreter with --litdata-python.

Each measurement is a process of its own; compared ones run in turn, and the ratios are those of one round.
Random 32-frame clips with a 224 crop, batches of 32, 2 workers, files in the page cache.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from parts.loader_data import CLIP_LEN, as_worker, prepare
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

ROUNDS = 5


# --- ours and the limit -----------------------------------------------------------------------------------


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


# --- running them -----------------------------------------------------------------------------------------

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
    "ours, 2 clips, uniform": lambda *a: ours(*a, clip_len=16, clips_per_video=2, **UNIFORM),
    "1 clip, 16 x 4": lambda *a: ours(*a, clip_len=16, frame_step=4),
    "ours, 2 clips, 16 x 4": lambda *a: ours(*a, clip_len=16, frame_step=4, clips_per_video=2),
    "ours, 2 of the same frames, 16 x 4": lambda *a: ours(
        *a, clip_len=16, frame_step=4, clips_per_video=2, same_frames=True
    ),
    "1 clip, 32 x 8": lambda *a: ours(*a, clip_len=32, frame_step=8),
    "ours, 2 clips, 32 x 8": lambda *a: ours(*a, clip_len=32, frame_step=8, clips_per_video=2),
}
COMPARISONS = {
    "compare": list(itertools.islice(RUNS, 8)),
    "sampling": list(itertools.islice(RUNS, 8, 14)),
    "clips": list(itertools.islice(RUNS, 23, 30)),
    "spdl": ["limit", "ours yuv420", "ours rgb", *(name for name in RUNS if name.startswith("SPDL"))],
    "engine": ["2 processes", "ours rgb", *itertools.islice(RUNS, 14, 18)],
}


def measure(name, args):
    """Run one measurement in a process of its own."""
    python = args.litdata_python if name == "litdata" else sys.executable
    if python is None:
        return None
    here = str(Path(__file__).resolve())
    command = [
        python,
        here,
        "one",
        "--folder",
        str(args.folder),
        "--name",
        name,
        "--seconds",
        str(args.seconds),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: failed\n{done.stderr[-1500:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def compare(names, args):
    rates = {name: [] for name in names}
    for number in range(args.rounds):
        for name in names:
            rate = measure(name, args)
            if rate is not None:
                rates[name].append(rate)
        line = ", ".join(f"{name} {v[-1][0]:.0f} ({v[-1][1]:.0f})" for name, v in rates.items() if v)
        print(f"round {number + 1}, clips/s (a CPU second): {line}", flush=True)
    for first, second in itertools.permutations(names, 2):
        if rates[first] and rates[second] and (first.startswith("ours") or "process" in first):
            wall, cpu = (ratio(rates[first], rates[second], which) for which in (0, 1))
            print(f"{first} / {second}: {wall}, a CPU second {cpu}")


def ratio(some, others, which):
    """Median and spread of the ratios of the rounds."""
    ratios = [a[which] / b[which] for a, b in zip(some, others, strict=False)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def views(args):
    """30 views of a video, CPU time: decoded once, against once for each view, and against the limit.

    The limit is to decode each frame that a view shows once, and to fill the memory of all views.
    """
    import numpy as np

    from vidprep.load.decoding.decode import PyavDecoder
    from vidprep.load.decoding.stored_mp4 import StoredReader
    from vidprep.load.sampling.clips import eval_frames
    from vidprep.load.sampling.crops import eval_boxes
    from vidprep.load.sampling.views import View
    from vidprep.recipes.recipe import EvalViews
    from vidprep.shards.shard_set import ShardSet
    from vidprep.shards.stored_video import LocalReader, read_video

    settings, shards = EvalViews(num_clips=10), ShardSet.open(args.folder / "shards")
    split = shards.split("train")
    decoder, out = PyavDecoder("yuv420", 258), np.zeros((30, CLIP_LEN, 387, 258), np.uint8)
    once, each, least, bare = [], [], [], StoredReader()
    for row in range(min(8, len(split))):
        stored = split.video(row)
        data = read_video(LocalReader(shards.root), stored)
        clips, boxes = (
            eval_frames(settings, stored.num_frames),
            eval_boxes(settings, stored.width, stored.height),
        )
        wanted = [View(tuple(clip), box) for clip in clips for box in boxes]
        start = time.thread_time()
        decoder.decode(data, wanted, out, num_frames=stored.num_frames)
        once.append(time.thread_time() - start)
        start = time.thread_time()
        for i, view in enumerate(wanted):
            decoder.decode(data, [view], out[i : i + 1], num_frames=stored.num_frames)
        each.append(time.thread_time() - start)
        start = time.thread_time()
        for _ in bare.read(
            data, sorted({frame for clip in clips for frame in clip}), num_frames=stored.num_frames
        ):
            pass
        out.fill(row)
        least.append(time.thread_time() - start)
    ratios = [b / a for a, b in zip(once, each, strict=True)][1:]
    print(f"one decode a video: {30 / statistics.median(once[1:]):.0f} views/s on one core")
    print(f"one decode a view: {30 / statistics.median(each[1:]):.0f} views/s")
    print(f"ratio {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
    ratios = [b / a for a, b in zip(once, least, strict=True)][1:]
    print(f"of the limit {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["prepare", "views", "one", *COMPARISONS])
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-loader"))
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--litdata-python")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--name")
    args = parser.parse_args()
    if args.what == "prepare":
        prepare(args.folder, args.videos, args.litdata_python)
    elif args.what == "one":
        print(json.dumps(RUNS[args.name](args.folder, args.seconds)))
    elif args.what in COMPARISONS:
        compare(COMPARISONS[args.what], args)
    else:
        as_worker()
        views(args)


if __name__ == "__main__":
    main()
