"""How fast a build is, against a plain shell loop of the same FFmpeg command; and where the rest goes.

    python benchmarks/build.py speed      interleaved rounds: shell loop, build with 2 workers, ...
    python benchmarks/build.py scaling    one worker on one core against two workers on two cores
    python benchmarks/build.py stages     where the time of one worker goes
    python benchmarks/build.py work       CPU of a worker's work against two shell loops, without a cluster
    python benchmarks/build.py archives   in turn: the same videos from tar.gz parts, and from folders
    python benchmarks/build.py plan       241,000 rows: audit, plan, and 1,000 shards finalised
    python benchmarks/build.py memory     a worker and its child over 500 videos

Videos are made by `vidprep synth`. Two things that are compared run in turn, in one process.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from parts.build_data import (
    made_up_inventory,
    made_up_shards,
    make_archives,
    make_hd_source,
    make_large_source,
    make_sources,
)
from parts.build_runs import build_work, one_build, shell_loop
from parts.loader_data import sample_of
from parts.process_usage import cpu_seconds, cpu_seconds_of_children, peak_mib
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode

ROUNDS = 5


def report(name, ratios, rates):
    spread = f"{min(ratios):.3f} .. {max(ratios):.3f}"
    shown = ", ".join(f"{label} {statistics.median(values):.2f} videos/s" for label, values in rates.items())
    print(
        f"{name}: ratio {statistics.median(ratios):.3f} (median of {len(ratios)}; {spread}); {shown}",
        flush=True,
    )


def compare(name, first, second, rounds):
    """Run two things in turn and report the ratio first / second."""
    rates = {"ours": [], "other": []}
    for number in range(rounds):
        for label, run in list({"ours": first, "other": second}.items())[:: 1 if number % 2 else -1]:
            rates[label].append(run())
    report(name, [a / b for a, b in zip(rates["ours"], rates["other"], strict=True)], rates)


def speed(folder, num_videos, rounds):
    for dataset, videos in make_sources(folder, num_videos).items():
        compare(
            f"{dataset}: build with 2 workers / shell loop with 2 processes",
            lambda dataset=dataset: one_build(dataset, folder / dataset, "--workers", "2"),
            lambda videos=videos: shell_loop(videos, 2),
            rounds,
        )


def scaling(folder, num_videos, rounds):
    make_sources(folder, num_videos)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    for dataset in ("k400", "ssv2"):
        compare(
            f"{dataset}: 2 workers on 2 cores / 1 worker on 1 core",
            lambda dataset=dataset: one_build(
                dataset, folder / dataset, "--workers", "2", cores=f"{first},{second}"
            ),
            lambda dataset=dataset: one_build(dataset, folder / dataset, "--workers", "1", cores=f"{first}"),
            rounds,
        )


def archives(folder, num_videos, rounds):
    """K400-like videos as Kinetics' copy at CVDF holds them, and in folders; what their listings take."""
    make_sources(folder, num_videos)
    unpacked, packed = folder / "k400", folder / "k400-archives"
    make_archives(unpacked, packed)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # where listings are kept
    compare(
        "k400: build from archives / from folders, 2 workers",
        lambda: one_build("k400", packed, "--workers", "2"),
        lambda: one_build("k400", unpacked, "--workers", "2"),
        rounds,
    )
    listings = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in packed.rglob("*.tar.gz"))
    print(f"listings of the archives: {listings:,} bytes, {listings / size:.3%} of the archives", flush=True)


def stages(folder, num_videos, rounds):
    """Where the CPU time of one video goes."""
    from vidprep.builder.transcoding.transcode import check_stored, transcode
    from vidprep.shards.tar import ShardWriter

    for dataset, videos in make_sources(folder, num_videos).items():
        spent = {"FFmpeg": 0.0, "start and log": 0.0, "verify": 0.0, "tar": 0.0, "all of it": 0.0}
        with tempfile.TemporaryDirectory() as scratch, ShardWriter(Path(scratch) / "a.tar") as writer:
            for video in videos:
                began = time.process_time()
                children = cpu_seconds_of_children()
                video = transcode(video, Path(scratch), Transcode(), find_ffmpeg())
                spent["FFmpeg"] += cpu_seconds_of_children() - children
                spent["start and log"] += time.process_time() - began
                mark = time.process_time()
                stored = check_stored(video, Transcode())
                spent["verify"] += time.process_time() - mark
                mark = time.process_time()
                writer.write(sample_of("x", stored))
                spent["tar"] += time.process_time() - mark
                spent["all of it"] += time.process_time() - began + cpu_seconds_of_children() - children
        total = spent.pop("all of it")
        shares = ", ".join(f"{name} {100 * seconds / total:.1f} %" for name, seconds in spent.items())
        print(f"{dataset}: {1000 * total / len(videos):.0f} ms of CPU a video: {shares}", flush=True)


def work(folder, num_videos, rounds):
    """CPU of everything that a build does with a video, in this process, and that of the loops, in turn."""
    for dataset, videos in make_sources(folder, num_videos).items():
        found = {"bare loop": [], "checked loop": [], "build": []}
        ways = {
            "bare loop": lambda videos=videos: shell_loop(videos, 1),
            "checked loop": lambda videos=videos: shell_loop(videos, 1, checked=True),
            "build": lambda videos=videos: build_work(videos),
        }
        for _ in range(rounds):
            for name, way in ways.items():
                began = cpu_seconds()
                way()
                found[name].append((cpu_seconds() - began) / len(videos))
        for loop in ("bare loop", "checked loop"):
            ratios = [theirs / ours for theirs, ours in zip(found[loop], found["build"], strict=True)]
            report(f"{dataset}: CPU of the {loop} / of a build's work", ratios, {})
        milliseconds = {name: round(1000 * statistics.median(spent)) for name, spent in found.items()}
        print(f"{dataset}: CPU ms a video, {len(videos)} videos: {milliseconds}", flush=True)


def audit(folder):
    """Annotation and files of 241,000 videos, found and matched; the files hold one byte."""
    from vidprep.datasets.inventory import take_inventory
    from vidprep.recipes.manifests import read_dataset
    from vidprep.recipes.recipe import DatasetStage

    source, classes = folder / "large", read_dataset("k400").labels.classes
    make_large_source(source, classes, 241_000)
    mark = time.perf_counter()
    rows = take_inventory(DatasetStage(name="k400"), [str(source)], []).rows
    assert (rows["status"] == "present").all()
    print(f"inventory of {len(rows):,} videos in 400 folders: {time.perf_counter() - mark:.1f} s", flush=True)


def plan(folder, num_videos, rounds):
    """Audit and plan 241,000 rows; finalise 1,000 shards of 250 made-up samples."""
    from vidprep.builder.finalise import finalise
    from vidprep.builder.plan import plan_build
    from vidprep.builder.workspace.plan_file import read_plan, write_plan
    from vidprep.recipes.manifests import read_dataset
    from vidprep.recipes.pipelines import read_pipeline

    audit(folder)
    print(f"peak memory so far: {peak_mib():.0f} MiB", flush=True)
    classes = read_dataset("k400").labels.classes
    rows = made_up_inventory(250_000, classes)
    with tempfile.TemporaryDirectory() as out_name:
        out = Path(out_name)
        mark = time.perf_counter()
        write_plan(plan_build(read_pipeline("k400"), rows, classes, ffmpeg_version="9"), out)
        print(f"plan of {len(rows):,} videos, written: {time.perf_counter() - mark:.1f} s", flush=True)
        done = made_up_shards(out, read_plan(out).rows)
        mark = time.perf_counter()
        finalise(out, read_plan(out), done, classes)
        print(f"finalise {len(done):,} shards: {time.perf_counter() - mark:.1f} s", flush=True)
    print(f"peak memory of this process: {peak_mib():.0f} MiB", flush=True)


def memory(folder, num_videos, rounds):
    """Resident memory of a build's only worker with its child, over many 1280x720 videos."""
    source = folder / "hd"
    make_hd_source(source, num_videos)
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "vidprep", "build", "mini_k400", "--source", str(source)]
        process = subprocess.Popen(
            [*command, "--out", f"{out}/set", "--workers", "1"], stdout=subprocess.DEVNULL
        )
        samples = watch(process, Path(out) / "set" / ".build" / "log.jsonl")
    for share in (0.1, 0.5, 1.0):
        until = [
            mib for done, mib in samples if done <= share * num_videos and done > (share - 0.1) * num_videos
        ]
        print(
            f"after {share:.0%} of {num_videos} videos: worker and child at most {max(until):.0f} MiB",
            flush=True,
        )


def watch(process, log):
    samples = []
    while process.poll() is None:
        done = log.read_text().count('"event": "video"') if log.exists() else 0
        with_child = 0
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                if "spawn_main" in " ".join(child.cmdline()) or "ffmpeg" in child.name():
                    with_child += child.memory_info().rss
            except psutil.Error:
                continue
        samples.append((done, with_child / 2**20))
        time.sleep(0.1)
    return samples


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "scaling", "archives", "stages", "work", "plan", "memory"])
    parser.add_argument("--videos", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, help="where sources are kept between runs")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="vidprep-bench-"))
    try:
        globals()[arguments.what](folder, arguments.videos, arguments.rounds)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder)
