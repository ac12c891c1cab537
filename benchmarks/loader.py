"""How fast clips load, against the limit of the decoder and against what others use.

    python benchmarks/loader.py prepare --videos DIR    of up to 16: files, shards, JPEG tars, litdata chunks
    python benchmarks/loader.py compare                 all loaders in turn, several rounds; ratios
    python benchmarks/loader.py spdl                    SPDL, with 2 and 4 threads
    python benchmarks/loader.py sampling                dense step 2 and uniform clips
    python benchmarks/loader.py clips                   two clips of a video from one decode, against one
    python benchmarks/loader.py views                   evaluation: one decode a video against one a view
    python benchmarks/loader.py engine                  processes, threads, DataLoader

Peers: `pip install -e .[bench]` and FFmpeg's libraries for torchcodec. litdata brings torchvision, which this
project does without: install it elsewhere and name that interpreter with --litdata-python.

Each measurement is a process of its own; compared ones run in turn, and the ratios are those of one round.
Random 32-frame clips with a 224 crop, batches of 32, 2 workers, files in the page cache.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from parts.charts import spread
from parts.loader_data import as_worker, prepare
from parts.loader_runs import RUNS
from parts.loader_views import NUM_VIEWS, time_views
from parts.results_file import Section, add_results_option
from parts.rounds import ratios

ROUNDS = 5
VIEWS = "Thirty views of one decode (`benchmarks/loader.py views`)"


class Comparison(NamedTuple):
    """Runs in turn: in each group, the first is compared with the others."""

    heading: str
    groups: list[list[str]]


COMPARISONS = {
    "compare": Comparison(
        "The loader and its peers (`benchmarks/loader.py compare`)",
        [
            [
                "ours yuv420",
                "limit",
                "ours rgb",
                "webdataset + torchcodec",
                "litdata",
                "JPEG tars",
                "original files, torchcodec",
                "original files, decord",
            ]
        ],
    ),
    "spdl": Comparison(
        "SPDL (`benchmarks/loader.py spdl`)",
        [
            ["ours yuv420", "limit", "SPDL yuv420p, 2 threads", "SPDL yuv420p, 4 threads"],
            ["ours rgb", "SPDL rgb, 2 threads", "SPDL rgb, 4 threads"],
        ],
    ),
    "sampling": Comparison(
        "Sampling (`benchmarks/loader.py sampling`)",
        [
            ["ours, step 2", "limit, step 2", "webdataset, step 2"],
            ["ours, uniform", "limit, uniform", "webdataset, uniform"],
        ],
    ),
    "clips": Comparison(
        "Two clips of one decode (`benchmarks/loader.py clips`)",
        [
            ["2 clips, uniform", "1 clip, uniform"],
            ["2 clips, 16 x 4", "1 clip, 16 x 4"],
            ["2 clips of the same frames, 16 x 4", "1 clip, 16 x 4"],
            ["2 clips, 32 x 8", "1 clip, 32 x 8"],
        ],
    ),
    "engine": Comparison(
        "Processes and threads (`benchmarks/loader.py engine`)",
        [["2 processes", "1 thread", "2 threads", "4 threads"], ["ours rgb", "DataLoader, our decoder"]],
    ),
}


def measure(name, args):
    """Run one measurement in a process of its own; None: its packages are missing, or it failed."""
    python = args.litdata_python if name == "litdata" else sys.executable
    if python is None:
        return None
    options = {"--folder": args.folder, "--name": name, "--seconds": args.seconds}
    words = [str(word) for option in options.items() for word in option]
    done = subprocess.run([python, Path(__file__).resolve(), "one", *words], capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: failed\n{done.stderr[-1500:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def compare(what, section, args):
    """Run all of a comparison in turn, round after round, and list rates and ratios."""
    groups = COMPARISONS[what].groups
    names = list(dict.fromkeys(name for group in groups for name in group))
    rates = {name: [] for name in names}
    for number in range(args.rounds):
        for name in [name for name in rates if len(rates[name]) == number]:  # what failed once is left out
            if rate := measure(name, args):
                rates[name].append(rate)
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    done = {name: found for name, found in rates.items() if found and len(found) == args.rounds}
    for first, *others in groups:
        if first in done:
            list_group(section, first, {name: done[name] for name in (first, *others) if name in done})
    section.chart(
        {name: [per_cpu for _, per_cpu in found] for name, found in done.items()},
        "clips a CPU second",
        f"loader-{what}",
    )
    if left_out := [name for name in names if name not in done]:
        section.add(f"Left out, for it is not installed or failed: {', '.join(left_out)}.")


def list_group(section, first, rates):
    """List the rates of each run, and the ratios of the first to it, round by round."""
    rows = []
    for name, found in rates.items():
        wall, cpu = (spread([rate[which] for rate in found], "{:.0f}") for which in (0, 1))
        shares = ("1", "1")
        if name != first:
            pairs = zip(zip(*rates[first], strict=True), zip(*found, strict=True), strict=True)
            shares = [spread(ratios(*pair)) for pair in pairs]
        rows.append((name, wall, cpu, *shares))
    head = ("", "clips/s", "clips a CPU second", f"{first} / this, in clips/s", "in clips a CPU second")
    section.table(head, rows)


def views(section, args):
    """30 views of a video: decoded once, against once for each view, and against the limit."""
    as_worker()
    once, each, limit = time_views(args.folder, args.rounds)
    ways = {"one decode a video": once, "one decode a view": each, "the limit": limit}
    rows = [
        (
            name,
            spread([seconds * 1000 for seconds in found], "{:.0f}"),
            spread([NUM_VIEWS / seconds for seconds in found], "{:.0f}"),
            spread(ratios(found, once)) if found is not once else "1",
        )
        for name, found in ways.items()
    ]
    section.table(
        ("30 views", "CPU ms a video", "views/s a core", "speed of one decode a video / this"), rows
    )
    section.add(
        "The limit: each frame that a view shows decoded once, and the memory of all views filled; "
        "goal 0.9 of it.\n"
    )
    bars = {name: [NUM_VIEWS / seconds for seconds in found] for name, found in ways.items()}
    section.chart(bars, "views a CPU second", "loader-views")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["prepare", "views", "one", *COMPARISONS])
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-loader"))
    parser.add_argument("--videos", type=Path, help="folder of videos; `prepare` takes up to 16")
    parser.add_argument("--litdata-python", help="interpreter of an environment with litdata")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds that each loader is measured")
    parser.add_argument("--name", help="what `one` measures")
    add_results_option(parser)
    args = parser.parse_args()
    if args.what == "prepare":
        if args.videos is None or not args.videos.is_dir():
            parser.error(f"prepare needs --videos DIR, a folder of videos, got {args.videos}.")
        prepare(args.folder, args.videos, args.litdata_python)
        return
    if args.what == "one":
        print(json.dumps(RUNS[args.name](args.folder, args.seconds)))
        return
    if not (args.folder / "originals").is_dir():
        parser.error(
            f"{args.folder} holds nothing yet. First: python benchmarks/loader.py prepare --videos DIR."
        )
    heading = VIEWS if args.what == "views" else COMPARISONS[args.what].heading
    section = Section(args.results, heading)
    num_videos = len(list((args.folder / "originals").iterdir()))
    section.begin(f"{num_videos} videos of 10 s; {args.rounds} rounds")
    if args.what == "views":
        views(section, args)
    else:
        compare(args.what, section, args)


if __name__ == "__main__":
    main()
