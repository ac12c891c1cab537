"""The benchmark of ten minutes behind `make bench`: loader, verify and start-up on this machine, with charts.

    python benchmarks/quick.py                     makes its own videos
    BENCH_VIDEOS=DIR python benchmarks/quick.py    takes up to 16 videos of a folder

Compared runs take turns; a cell is the median and, in parentheses, the least and the greatest of the rounds.
What is compared is clips a CPU second, which other users of a machine disturb least. It writes its section of
RESULTS.md and a chart for each table into benchmarks/charts/. Peers that are not installed are named.
"""

import argparse
import importlib.util
import os
import subprocess
import time
from pathlib import Path

import loader
from large_index import big_set, open_as_ranks
from parts.charts import spread
from parts.loader_data import make_videos
from parts.results_file import Section, add_results_option
from parts.rounds import in_rounds, ratios
from verify import CORES, make_set, timed

SECTION = "Quick (`make bench`)"
NUM_MADE_UP = 2
PEERS = {
    "webdataset + torchcodec": ("webdataset", "torchcodec"),
    "SPDL yuv420p, 2 threads": ("spdl",),
    "SPDL rgb, 2 threads": ("spdl",),
    "DataLoader, our decoder": (),
}
OURS = ("limit", "ours yuv420", "ours rgb")


def videos_of(folder):
    """Return a folder of videos and what they are.

    They are those that BENCH_VIDEOS names, or zooms into a fractal with grain, which compress as films do.
    """
    from vidprep.ffmpeg import find_ffmpeg

    if named := os.environ.get("BENCH_VIDEOS"):
        if not Path(named).is_dir():
            raise SystemExit(f"BENCH_VIDEOS must name a folder of videos, got '{named}'.")
        return Path(named), f"videos of {Path(named).name}"
    made = folder / "videos"
    made.mkdir(parents=True, exist_ok=True)
    for number in range(NUM_MADE_UP):
        path = made / f"fractal{number}.mp4"
        if not path.exists():
            source = f"mandelbrot=size=640x360:rate=30:start_x=-0.7{number}:start_scale=0.{number + 2}"
            words = f"-v error -y -f lavfi -i {source} -frames:v 300 -vf noise=alls=3:allf=t -pix_fmt yuv420p"
            subprocess.run([find_ffmpeg(), *words.split(), str(path)], check=True)
    return made, f"{NUM_MADE_UP} made-up videos of 10 s, each in two sizes"


def loader_table(section, folder, args, until):
    """Clips a CPU second of each loader, and its ratio to the limit of the same round."""
    names = [*OURS, *(name for name, needs in PEERS.items() if all(map(importlib.util.find_spec, needs)))]
    settings = argparse.Namespace(folder=folder, seconds=args.seconds, litdata_python=None)
    rates = in_rounds(
        {name: lambda n=name: loader.measure(n, settings) for name in names}, args.rounds, until
    )
    usable = {name: found for name, found in rates.items() if found and None not in found}
    rows, bars = [], {}
    for name, found in usable.items():
        shares = ratios([one[1] for one in found], [limit[1] for limit in rates["limit"]])
        shown = "decoding alone, from memory" if name == "limit" else name
        bars[shown] = shares
        wall, cpu = (spread([one[which] for one in found], "{:.0f}") for which in (0, 1))
        rows.append((shown, wall, cpu, spread(shares)))
    section.table(
        ("clips of 32 frames, 2 workers", "clips/s", "clips a CPU second", "of decoding alone"), rows
    )
    left_out = [name for name in [*OURS, *PEERS] if name not in usable]
    if left_out:
        section.add(f"Left out, for it is not installed or failed: {', '.join(left_out)}.\n")
    section.add(f"{len(rates['limit'])} rounds.\n")
    section.chart(bars, "clips a CPU second, of decoding alone", "loader")


def verify_table(section, folder, args, until):
    """`verify` against sha256sum over all cores."""
    videos = (os.urandom(400_000) for _ in range(args.megabytes * 5 // 2))
    hashed = make_set(folder / f"random{args.megabytes}", videos)
    commands = {
        "sha256sum": f"find {hashed}/train -name '*.tar' | xargs -P {CORES} -n 1 sha256sum",
        "verify": f"{args.python} -m vidprep verify {hashed}",
    }
    found = in_rounds(
        {name: lambda c=command: timed(c) for name, command in commands.items()}, args.rounds, until
    )
    bars = {name: [one[1] for one in times] for name, times in found.items()}
    shares = ratios(bars["sha256sum"], bars["verify"])
    rows = [
        (name, spread(times), spread(shares) if name == "verify" else "1") for name, times in bars.items()
    ]
    section.table((f"{args.megabytes} MB", "CPU seconds", "of sha256sum's speed"), rows)
    section.add(f"{len(shares)} rounds; a start of 1 to 2 s is in verify's.\n")
    section.chart(bars, f"CPU seconds for {args.megabytes} MB", "verify")


def start_table(section, folder, args, until):
    """How long a loader takes to open large sets."""
    rows, bars = [], {}
    for num_shards in args.shards:
        root = big_set(folder / f"big{num_shards}", num_shards)
        runs = in_rounds({"open": lambda r=root: open_as_ranks(r, 1, folder)[0]}, args.rounds, until)["open"]
        name = f"{num_shards * 250:,} samples"
        bars[name] = [run["cpu"] for run in runs]
        rows.append((name, spread(bars[name]), spread([run["Pss"] for run in runs], "{:.0f}")))
    section.table(("opening a set, after the imports", "CPU seconds", "MiB"), rows)
    section.chart(bars, "CPU seconds until a loader is open", "start")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("demo/bench"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds that a loader is measured")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which no other round is begun")
    parser.add_argument("--megabytes", type=int, default=1000, help="that are verified")
    parser.add_argument("--shards", type=int, nargs="+", default=[100, 1000], help="of 250 samples, opened")
    add_results_option(parser)
    parser.add_argument("--python", default=".venv/bin/python", help="that runs vidprep")
    args = parser.parse_args()
    start = time.monotonic()
    parts = (loader_table, 0.75), (verify_table, 0.9), (start_table, 1.0)
    videos, what = videos_of(args.folder)
    make_videos(args.folder, videos)
    section = Section(args.results, SECTION)
    section.begin(what)
    for measure, share in parts:
        measure(section, args.folder, args, start + 60 * args.minutes * share)


if __name__ == "__main__":
    main()
