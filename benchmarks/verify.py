"""`vidprep verify` against `sha256sum` over all cores, and `--decode` against decoding alone.

    python benchmarks/verify.py

Sets of its own: made-up bytes for the first (what they are costs nothing), a zoom into a fractal for the
second. Runs in turn; a ratio above 1 means that verify is the faster. CPU seconds are those of all processes;
a command's start, 1 to 2 s, is in them, so that a set of 100 GB does better than the ones here. It writes its
section of RESULTS.md.
"""

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from parts.charts import spread
from parts.process_usage import cpu_seconds_of_children
from parts.results_file import Section, add_results_option
from parts.rounds import in_rounds, ratios

SECTION = "Verify (`benchmarks/verify.py`)"
VERIFY = f"{sys.executable} -m vidprep verify"
PER_SHARD, NUM_FRAMES = 50, 300
CORES = len(os.sched_getaffinity(0))
DECODE_ALONE = """
import sys
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import LocalReader, read_video
from vidprep.shards.video_file import count_frames
shards = ShardSet.open(sys.argv[1])
first, step = map(int, sys.argv[2:])
for row in range(first, len(shards.columns), step):
    count_frames(read_video(LocalReader(shards.root), shards.columns.video(row)))
"""


def make_set(folder, videos):
    """A finished set; it has no ledger, which verify says, and reads all else."""
    from tests.helpers.sets.numbered import sample, write_shard_set

    if not folder.exists():
        samples = [
            sample("train", f"v{number}", number % 4, video, NUM_FRAMES, 340, 256)
            for number, video in enumerate(videos)
        ]
        write_shard_set(folder, samples, per_shard=PER_SHARD)
    return folder


def fractal(path):
    """Ten seconds, a key frame every 16."""
    from vidprep.ffmpeg import find_ffmpeg

    command = "-v error -y -f lavfi -i mandelbrot=size=340x256:rate=30 -pix_fmt yuv420p -c:v libx264 -bf 0"
    words = f"{command} -crf 23 -g 16 -movflags +faststart -frames:v {NUM_FRAMES} {path}".split()
    subprocess.run([find_ffmpeg(), *words], check=True)
    return path.read_bytes()


def timed(command):
    """Wall and CPU seconds of a command and its children."""
    before, start = cpu_seconds_of_children(), time.perf_counter()
    subprocess.run(command, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start, cpu_seconds_of_children() - before


def hashing(folder, num_shards):
    """Commands over made-up bytes: what is compared, then verify."""
    bytes_of = (os.urandom(400_000) for _ in range(num_shards * PER_SHARD))
    shards = make_set(folder / f"random{num_shards}", bytes_of)
    sums = f"find {shards}/train -name '*.tar' | xargs -P {CORES} -n 1 sha256sum"
    return {
        f"sha256sum, {CORES} at a time": sums,
        "verify, goal 0.8": f"{VERIFY} {shards}",
    }


def decoding(folder, num_videos):
    """Commands over real videos: what is compared, then verify."""
    shards = make_set(folder / f"decoded{num_videos}", [fractal(folder / "fractal.mp4")] * num_videos)
    os.environ["CODE"] = DECODE_ALONE
    alone = " & ".join(f'{sys.executable} -c "$CODE" {shards} {first} {CORES}' for first in range(CORES))
    return {
        f"decoding alone, {CORES} processes": f"{alone} & wait",
        "verify --decode, goal 0.9": f"{VERIFY} {shards} --decode",
    }


def rows_of(found):
    """Two rows: what is compared, and verify with its speed of that of the other."""
    for name, runs in found.items():
        wall, cpu = zip(*runs, strict=True)
        shares = ("1", "1")
        if name.startswith("verify"):
            other = zip(*next(iter(found.values())), strict=True)
            shares = [spread(ratios(*pair)) for pair in zip(other, (wall, cpu), strict=True)]
        yield (name, spread(wall, "{:.1f}"), spread(cpu), *shares)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-verify"))
    parser.add_argument("--shards", type=int, default=50, help="of 20 MB")
    parser.add_argument("--decoded", type=int, default=200, help="videos of the second set")
    parser.add_argument("--rounds", type=int, default=5)
    add_results_option(parser)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    section = Section(args.results, SECTION)
    what = f"{args.shards} shards of 20 MB, and {args.decoded} videos of 10 s, 340x256"
    section.begin(f"{what}; {args.rounds} rounds in turn")
    rows, bars = [], {}
    for commands in (hashing(args.folder, args.shards), decoding(args.folder, args.decoded)):
        found = in_rounds({name: partial(timed, command) for name, command in commands.items()}, args.rounds)
        rows += rows_of(found)
        bars |= {name: [cpu for _, cpu in runs] for name, runs in found.items()}
    section.table(("", "s", "CPU seconds", "speed of verify / of the row above", "in CPU seconds"), rows)
    section.chart(bars, "CPU seconds", "verify-full")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
