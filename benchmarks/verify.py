"""`vidprep verify` against `sha256sum` over all cores, and `--decode` against decoding alone.

    python benchmarks/verify.py

Sets of its own: made-up bytes for the first (what they are costs nothing), a zoom into a fractal for the
second. Runs in turn; a ratio above 1 means that verify is the faster. CPU seconds are those of all processes;
a command's start, 1 to 2 s, is in them, so that a set of 100 GB does better than the ones here.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from parts.process_usage import cpu_seconds_of_children

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


def compare(name, verify, other, rounds):
    ratios = []
    for _ in range(rounds):
        alone, ours = timed(other), timed(verify)
        ratios.append((alone[0] / ours[0], alone[1] / ours[1]))
        print(f"  {alone[0]:.1f} s and {ours[0]:.1f} s, CPU {alone[1]:.2f} s and {ours[1]:.2f} s", flush=True)
    for place, what in enumerate(("time", "CPU")):
        found = [ratio[place] for ratio in ratios]
        spread = f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
        print(f"{name}, {what}: {spread}; {rounds} rounds")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-verify"))
    parser.add_argument("--shards", type=int, default=50, help="Of 20 MB.")
    parser.add_argument("--decoded", type=int, default=200, help="Videos of the second set.")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    verify = f"{sys.executable} -m vidprep verify"
    args.folder.mkdir(parents=True, exist_ok=True)
    bytes_of = (os.urandom(400_000) for _ in range(args.shards * PER_SHARD))
    hashed = make_set(args.folder / f"random{args.shards}", bytes_of)
    sums = f"find {hashed}/train -name '*.tar' | xargs -P {CORES} -n 1 sha256sum"
    compare("sha256sum / verify", f"{verify} {hashed}", sums, args.rounds)
    videos = [fractal(args.folder / "fractal.mp4")] * args.decoded
    decoded = make_set(args.folder / f"decoded{args.decoded}", videos)
    os.environ["CODE"] = DECODE_ALONE
    alone = " & ".join(f'{sys.executable} -c "$CODE" {decoded} {first} {CORES}' for first in range(CORES))
    compare(
        "decoding alone / verify --decode", f"{verify} {decoded} --decode", f"{alone} & wait", args.rounds
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
