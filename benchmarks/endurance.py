"""A hundred thousand clips: do memory and open files of loader and workers stay constant?

    python benchmarks/endurance.py

Small videos of its own, epoch after epoch with the same workers; every tenth of the run prints what both
processes hold. Shared memory is that of the batches and of libraries; RSS counts it, too.
"""

import argparse
import subprocess
import time
from pathlib import Path

import psutil

NUM_VIDEOS, NUM_FRAMES, SHORT_SIDE = 64, 60, 64


def make_set(folder):
    """Test pictures through the code that builds shard sets."""
    from parts.loader_data import make_shards
    from vidprep.ffmpeg import find_ffmpeg
    from vidprep.recipes.recipe import Transcode

    originals = []
    for number in range(NUM_VIDEOS):
        path = folder / "originals" / f"v{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        source = f"testsrc2=size=128x96:rate=30,hue=h={number * 5}"
        command = f"-v error -y -f lavfi -i {source} -frames:v {NUM_FRAMES} -pix_fmt yuv420p {path}"
        if not path.exists():
            subprocess.run([find_ffmpeg(), *command.split()], check=True)
        originals.append(path)
    make_shards(folder / "shards", originals, Transcode(short_side=SHORT_SIDE))
    return folder / "shards"


def held(processes):
    """RSS and shared memory in MiB, and open files, of each process."""
    lines = []
    for process in processes:
        memory = process.memory_info()
        lines.append(f"{memory.rss >> 20} ({memory.shared >> 20}) MiB, {process.num_fds()} files")
    return "; ".join(lines)


def main():
    from vidprep.load import ClipLoader, LoaderOptions
    from vidprep.recipes.recipe import TrainClip

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-endurance"))
    parser.add_argument("--clips", type=int, default=100_000)
    args = parser.parse_args()
    clip = TrainClip(clip_len=8, crop_size=56)
    options = LoaderOptions(num_workers=1)
    given, tenth, start = 0, args.clips // 10, time.perf_counter()
    print("clips: this process RSS (shared), files; the worker's", flush=True)
    with ClipLoader(make_set(args.folder), clip=clip, batch_size=32, options=options) as loader:
        while given < args.clips:
            for batch in loader:
                given += len(batch)
                if given // tenth != (given - len(batch)) // tenth:
                    me = psutil.Process()
                    print(f"{given:,}: {held([me, *me.children()])}", flush=True)
    print(f"{given:,} clips of {loader.epoch} epochs in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
