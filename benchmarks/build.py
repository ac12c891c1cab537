"""How fast a build is, against a plain shell loop of the same FFmpeg command; and where the rest goes.

    python benchmarks/build.py speed      in turn: two shell loops, build with 2 workers
    python benchmarks/build.py work       CPU of a worker's work against the same loops, without a cluster
    python benchmarks/build.py stages     where the CPU time of a worker goes
    python benchmarks/build.py scaling    one worker on one core against two workers on two cores
    python benchmarks/build.py archives   in turn: the same videos from tar.gz parts, and from folders
    python benchmarks/build.py plan       many rows: inventory, plan, and their shards finalised
    python benchmarks/build.py memory     a worker and its child over many videos

Videos are made by `vidprep synth`. What is compared runs in turn. The bare loop is FFmpeg alone, the checked
loop decodes the result back and hashes it, as a build does. Each writes its section of RESULTS.md.
"""

import argparse
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

from parts.builds.data import make_archives, make_hd_source, make_sources
from parts.builds.runs import build_work, one_build, shell_loop
from parts.builds.scale import memory_of_a_build, seconds_of_planning
from parts.charts import spread
from parts.loader_data import sample_of
from parts.process_usage import cpu_seconds, cpu_seconds_of_children, peak_mib
from parts.results_file import Section, add_results_option
from parts.rounds import in_rounds, ratios
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode

SECTIONS = {
    "speed": "Build and shell loop (`benchmarks/build.py speed`)",
    "work": "What is done with a video (`benchmarks/build.py work`)",
    "stages": "Where the time of a video goes (`benchmarks/build.py stages`)",
    "scaling": "Two workers and one (`benchmarks/build.py scaling`)",
    "archives": "From archives (`benchmarks/build.py archives`)",
    "plan": "Plan and finalise (`benchmarks/build.py plan`)",
    "memory": "Memory of a build (`benchmarks/build.py memory`)",
}
SHOWN = {"k400": "K400-like", "ssv2": "SSv2-like"}
GOALS = {"bare loop": 0.90, "checked loop": 0.97}  # speed of a build / of the loop
STAGES = ("FFmpeg", "starting it, reading its log", "decoding back and looking", "tar and hashes")


def loops_and(build, videos, num_processes):
    """What is compared: a loop of the bare FFmpeg command, one that checks what it stored, and a build."""
    loop = partial(shell_loop, videos, num_processes)
    return {"bare loop": loop, "checked loop": partial(loop, checked=True), "build": build}


def speed(section, folder, args):
    section.begin(f"2 workers, loops of 2 processes; {args.rounds} rounds in turn")
    found = {}
    for dataset, videos in make_sources(folder, args.videos).items():
        build = partial(one_build, dataset, folder / dataset, "--workers", "2")
        rates = in_rounds(loops_and(build, videos, 2), args.rounds)
        name = f"{len(videos)} {SHOWN[dataset]}"
        found[name] = {way: [1000 / rate for rate in each] for way, each in rates.items()}
    loops_table(section, found, "ms", "build-speed")


def work(section, folder, args):
    """CPU of everything that a build does with a video, in this process, and that of the loops."""
    section.begin(f"CPU time, one at a time, no cluster; {args.rounds} rounds in turn")
    found = {}
    for dataset, videos in make_sources(folder, args.videos).items():
        ways = loops_and(partial(build_work, videos), videos, 1)
        measures = {name: partial(cpu_ms_a_video, way, len(videos)) for name, way in ways.items()}
        found[f"{len(videos)} {SHOWN[dataset]}"] = in_rounds(measures, args.rounds)
    loops_table(section, found, "CPU ms", "build-work")


def cpu_ms_a_video(way, num_videos):
    before = cpu_seconds()
    way()
    return 1000 * (cpu_seconds() - before) / num_videos


def loops_table(section, found, unit, name):
    """What a video takes in each way, and the speed of a build of that of each loop."""
    ways = ("bare loop", "checked loop", "build")
    goals = [f"speed of build / {loop}, goal {goal:.2f}" for loop, goal in GOALS.items()]
    rows, bars = [], {}
    for videos, of in found.items():
        shares = {loop: ratios(of[loop], of["build"]) for loop in GOALS}
        cells = [spread(of[way], "{:.0f}") for way in ways]
        rows.append((videos, *cells, *map(spread, shares.values())))
        bars |= {f"{videos}: {loop}": values for loop, values in shares.items()}
    section.table(("videos", *(f"{way}, {unit} a video" for way in ways), *goals), rows)
    section.chart(bars, f"speed of a build / of a shell loop ({unit} a video)", name)


def stages(section, folder, args):
    """Where the CPU time of one video goes."""
    section.begin(f"{args.rounds} rounds")
    rows, bars = [], {}
    for dataset, videos in make_sources(folder, args.videos).items():
        rounds = [stages_of(videos) for _ in range(args.rounds)]
        totals = [sum(spent.values()) for spent in rounds]
        of = {stage: [spent[stage] for spent in rounds] for stage in STAGES}
        shares = [spread(ratios(of[stage], totals), "{:.1%}") for stage in STAGES]
        rows.append((f"{len(videos)} {SHOWN[dataset]}", spread(totals, "{:.0f}"), *shares))
        bars |= {f"{SHOWN[dataset]}: {stage}": spent for stage, spent in of.items()}
    section.table(("videos", "CPU ms a video", *STAGES), rows)
    section.chart(bars, "CPU ms a video", "build-stages")


def stages_of(videos):
    """CPU milliseconds a video of each stage; FFmpeg's are those of a child."""
    from vidprep.builder.transcoding.transcode import check_stored, transcode
    from vidprep.shards.tar import ShardWriter

    ffmpeg, log, back, tar = STAGES
    spent = dict.fromkeys(STAGES, 0.0)
    with tempfile.TemporaryDirectory() as scratch, ShardWriter(Path(scratch) / "a.tar") as writer:
        for video in videos:
            marks, children = [time.process_time()], cpu_seconds_of_children()
            encoded = transcode(video, Path(scratch), Transcode(), find_ffmpeg())
            marks.append(time.process_time())
            stored = check_stored(encoded, Transcode())
            marks.append(time.process_time())
            writer.write(sample_of("x", stored))
            marks.append(time.process_time())
            spent[ffmpeg] += cpu_seconds_of_children() - children
            for stage, start, end in zip((log, back, tar), marks, marks[1:], strict=False):
                spent[stage] += end - start
    return {stage: 1000 * seconds / len(videos) for stage, seconds in spent.items()}


def scaling(section, folder, args):
    section.begin(f"bound to cores; {args.rounds} rounds in turn")
    first, second = sorted(os.sched_getaffinity(0))[:2]
    found = {}
    for dataset, videos in make_sources(folder, args.videos).items():
        build = partial(one_build, dataset, folder / dataset)
        ways = {
            "1 worker on 1 core": partial(build, "--workers", "1", cores=f"{first}"),
            "2 workers on 2 cores": partial(build, "--workers", "2", cores=f"{first},{second}"),
        }
        found[f"{len(videos)} {SHOWN[dataset]}"] = in_rounds(ways, args.rounds)
    pairs_table(section, found, 1.9, "build-scaling")


def archives(section, folder, args):
    """K400-like videos as Kinetics' copy at CVDF holds them, and in folders; what is kept of archives."""
    section.begin(f"2 workers; {args.rounds} rounds in turn")
    videos = make_sources(folder, args.videos)["k400"]
    unpacked, packed = folder / "k400", folder / "k400-archives"
    make_archives(unpacked, packed)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # where listings are kept
    ways = {
        "from folders": partial(one_build, "k400", unpacked, "--workers", "2"),
        "from archives": partial(one_build, "k400", packed, "--workers", "2"),
    }
    found = {f"{len(videos)} K400-like": in_rounds(ways, args.rounds)}
    pairs_table(section, found, 0.8, "build-archives")
    kept = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in packed.rglob("*.tar.gz"))
    section.add(
        f"What is kept of archives, to read them at any place: {kept:,} bytes, {kept / size:.2%} of them, "
        "goal 2%."
    )


def pairs_table(section, found, goal, name):
    """Videos a second in two ways, and the second's speed of that of the first."""
    one, other = next(iter(found.values()))
    rows = [
        (videos, spread(of[one]), spread(of[other]), spread(ratios(of[other], of[one])))
        for videos, of in found.items()
    ]
    head = ("videos", f"{one}, videos/s", f"{other}, videos/s", f"{other} / {one}, goal {goal}")
    section.table(head, rows)
    bars = {f"{videos}, {way}": rates for videos, of in found.items() for way, rates in of.items()}
    section.chart(bars, "videos/s", name)


def plan(section, folder, args):
    """What the process does that begins and ends a build."""
    section.begin(f"{args.rows:,} videos in 400 folders, shards of 250; {args.rounds} rounds")
    source = folder / f"large{args.rows}"
    rounds = [seconds_of_planning(source, args.rows) for _ in range(args.rounds)]
    bars = {step: [found[step] for found in rounds] for step in rounds[0]}
    section.table((f"{args.rows:,} videos", "s"), [(step, spread(of, "{:.1f}")) for step, of in bars.items()])
    section.add(f"All of it in one process, which held {peak_mib():,.0f} MiB at the most.\n")
    section.chart(bars, f"s for {args.rows:,} videos", "build-plan")


def memory(section, folder, args):
    """Resident memory of a build's only worker with its child, over many 1280x720 videos."""
    section.begin(f"one build of {args.videos} videos of 1280x720 and 2 s, 1 worker")
    source = folder / f"hd{args.videos}"
    make_hd_source(source, args.videos)
    tenths = {}
    for done, mib in memory_of_a_build(source):
        if mib:
            tenth = min(10 * done // args.videos, 9)
            tenths.setdefault(f"{tenth * 10} to {tenth * 10 + 10} %", []).append(mib)
    rows = [(tenth, spread(found, "{:.0f}")) for tenth, found in tenths.items()]
    section.table(("videos done", "MiB of worker and FFmpeg: median (least to greatest)"), rows)
    section.chart(tenths, "MiB of worker and FFmpeg", "build-memory")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=SECTIONS)
    parser.add_argument("--videos", type=int, default=150, help="of each kind")
    parser.add_argument("--rows", type=int, default=250_000, help="videos that `plan` plans")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where sources are kept between runs")
    add_results_option(parser)
    args = parser.parse_args()
    section = Section(args.results, SECTIONS[args.what])
    folder = args.folder or Path(tempfile.mkdtemp(prefix="vidprep-bench-"))
    try:
        globals()[args.what](section, folder, args)
    finally:
        if not args.folder:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
