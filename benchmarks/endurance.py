"""A hundred thousand clips: do memory and open files of loader and workers stay constant?

    python benchmarks/endurance.py

Small videos of its own, epoch after epoch with the same workers; after every tenth of the run it notes what
both processes hold. Shared memory is that of the batches and of libraries; RSS counts it, too. It writes its
section of RESULTS.md.
"""

import argparse
import subprocess
import time
from pathlib import Path

import psutil

from parts.results_file import Section, add_results_option

SECTION = "A hundred thousand clips (`benchmarks/endurance.py`)"
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


def held(process):
    """RSS and shared memory in MiB, and open files, of a process."""
    memory = process.memory_info()
    return memory.rss >> 20, memory.shared >> 20, process.num_fds()


def tenths(loader, num_clips):
    """Load so many clips; yield after each tenth how many, what this process and what its worker holds."""
    given, tenth = 0, num_clips // 10
    while given < num_clips:
        for batch in loader:
            given += len(batch)
            if given // tenth != (given - len(batch)) // tenth:
                me = psutil.Process()
                yield given, *(held(process) for process in (me, *me.children()))


def main():
    from vidprep.load import ClipLoader, LoaderOptions
    from vidprep.recipes.recipe import TrainClip

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-endurance"))
    parser.add_argument("--clips", type=int, default=100_000)
    add_results_option(parser)
    args = parser.parse_args()
    shards, start = make_set(args.folder), time.perf_counter()
    section = Section(args.results, SECTION)
    section.begin(
        f"{NUM_VIDEOS} small videos, clips of 8 frames with a 56 crop, batches of 32, one worker; one run"
    )
    options = LoaderOptions(num_workers=1)
    with ClipLoader(
        shards, clip=TrainClip(clip_len=8, crop_size=56), batch_size=32, options=options
    ) as loader:
        found = list(tenths(loader, args.clips))
        seconds, num_epochs = time.perf_counter() - start, loader.epoch
    rows = [(f"{given:,}", *map(shown, processes)) for given, *processes in found]
    section.table(("clips", "loader's process: MiB RSS (shared), files", "its worker"), rows)
    section.add(f"{num_epochs:,} epochs with the same worker, {seconds:.0f} s.\n")
    bars = {
        f"{given:,} clips, {name}": [rss]
        for place, name in enumerate(("loader", "worker"))
        for given, *processes in found
        for rss, *_ in processes[place : place + 1]
    }
    section.chart(bars, "MiB RSS, shared memory included", "endurance")


def shown(held_by_one):
    rss, shared, num_files = held_by_one
    return f"{rss} ({shared}), {num_files}"


if __name__ == "__main__":
    main()
