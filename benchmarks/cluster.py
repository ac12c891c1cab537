"""What a cluster costs beside the work: a bucket instead of a disk, a slow worker, many small tasks.

    python benchmarks/cluster.py                 all three, and writes its section of RESULTS.md
    python benchmarks/cluster.py --only store    builds with 2 workers into moto's S3 server and into a folder
    python benchmarks/cluster.py --only straggler   4 workers, one at 1/20 of the speed of the others
    python benchmarks/cluster.py --only tasks    shards without any work

The S3 server runs on the same cores as the build, its CPU seconds are not counted. Shards of the second and
third sleep instead of transcoding, so a busy machine disturbs them little; all else is the real engine.
"""

import argparse
import contextlib
import itertools
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from parts.charts import spread
from parts.process_usage import cpu_seconds_of_children
from parts.results_file import Section, add_results_option
from parts.rounds import in_rounds, ratios

SECTION = "A cluster and a bucket (`benchmarks/cluster.py`)"
NUM_WORKERS, SLOWNESS = 4, 20
NUM_MESSAGES = 500
NUM_SHARDS, SHARD_SECONDS, VIDEOS_PER_SHARD = 32, 1.0, 10
FASTER = 10  # times as fast as in a real build are these shards, and the rules about slow ones


def one_build(source, out):
    """Build a set with 2 workers, and print the seconds from the first shard to the last."""
    import vidprep

    times = []

    def note(event):
        if event["event"] in ("shard", "done"):
            times.append(time.perf_counter())

    options = {"workers": 2, "overrides": ["shards.samples_per_shard=10"]}
    vidprep.build("k400", out, sources=[source], on_event=note, **options)
    print(times[-1] - times[0])


def timed_build(source, out):
    """Seconds from the first shard to the last, of the whole command, and its CPU seconds."""
    before, start = cpu_seconds_of_children(), time.perf_counter()
    command = [sys.executable, __file__, "--build", str(source), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    cpu = cpu_seconds_of_children() - before
    return float(done.stdout.split()[-1]), time.perf_counter() - start, cpu


@contextlib.contextmanager
def bucket():
    """An S3 server of this machine with a bucket, to which s3://bench leads in processes begun meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    names = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(names | {"AWS_ENDPOINT_URL": address})
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=5).close()
                break
            time.sleep(0.1)
        import fsspec

        fsspec.filesystem("s3").mkdir("bench")
        yield
    finally:
        server.terminate()
        server.wait()


def store_table(section, args):
    """The same build into a bucket and into a folder, in turn."""
    source = args.folder / "k400"
    if not source.exists():
        command = [sys.executable, "-m", "vidprep", "synth", "k400", "--out", str(source), "--classes", "10"]
        counts = ["--videos-per-class", str(args.videos // 10), "--validation-per-class", "1"]
        subprocess.run([*command, *counts], check=True, stdout=subprocess.DEVNULL)
    numbers = itertools.count()
    with bucket(), tempfile.TemporaryDirectory() as out:
        places = {"disk": out, "bucket": "s3://bench"}
        ways = {
            name: lambda place=place: timed_build(source, f"{place}/set{next(numbers)}")
            for name, place in places.items()
        }
        found = in_rounds(ways, args.rounds)
    pairs = zip(*(zip(*runs, strict=True) for runs in found.values()), strict=True)
    shares = [spread(ratios(*pair)) for pair in pairs]
    num_videos = sum(path.suffix == ".mp4" for path in source.rglob("*"))
    rows = [
        (name, *(spread([run[which] for run in runs], "{:.1f}") for which in range(3)))
        for name, runs in found.items()
    ]
    rows.append(("**speed on the bucket / on disk**, goal 0.9", *shares))
    head = (f"{num_videos} videos, 2 workers", "first shard to last, s", "whole command, s", "CPU seconds")
    section.table(head, rows)
    section.add("In turn. The S3 server works on the same cores; only the last column is without it.\n")
    bars = {name: [cpu for _, _, cpu in runs] for name, runs in found.items()}
    section.chart(bars, f"CPU seconds for {num_videos} videos", "cluster-store")


def fake_tasks(folder, num):
    from vidprep.builder.shard_task import ShardTask
    from vidprep.recipes.recipe import Transcode

    (folder / ".build").mkdir(exist_ok=True)
    return [ShardTask(folder, number, Transcode(), None, "", run="bench") for number in range(num)]


def sleeping_shard(task, report):
    """What `build_shard` does to the engine, without a video."""
    from distributed import get_worker

    from vidprep.builder.shard_task import stop_if_asked

    seconds = SHARD_SECONDS / VIDEOS_PER_SHARD * (SLOWNESS if get_worker().name == 0 else 1)
    report({"event": "shard", "shard": task.shard, "split": "train", "num_videos": VIDEOS_PER_SHARD})
    for _ in range(VIDEOS_PER_SHARD):
        stop_if_asked(task)
        time.sleep(seconds)
        report({"event": "video", "shard": task.shard, "seconds": seconds})


def engine_seconds(build_shard, num_tasks, num_workers):
    """Wall and CPU seconds of the real engine with another `build_shard`, on workers of this process."""
    import dask
    from distributed import Client, LocalCluster

    from vidprep.builder.engines import engine

    before, engine.build_shard = engine.build_shard, build_shard
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            dask.config.set(engine._DASK_SETTINGS),
            engine._silent_dask(),
            LocalCluster(
                n_workers=num_workers,
                threads_per_worker=1,
                processes=False,
                dashboard_address="127.0.0.1:0",
            ) as cluster,
            Client(cluster) as client,
        ):
            tasks = fake_tasks(Path(folder), num_tasks)
            start, cpu = time.perf_counter(), time.process_time()
            engine._build_with(client, tasks, lambda event: None)
            return time.perf_counter() - start, time.process_time() - cpu
    finally:
        engine.build_shard = before


def straggler_table(section, args):
    """How long shards take when one of four workers has a twentieth of the speed."""
    from vidprep.builder.engines import engine, stragglers

    stragglers._LEAST_SECONDS /= FASTER
    engine._IDLE_LOOK_SECONDS /= FASTER
    ideal = NUM_SHARDS * SHARD_SECONDS / (NUM_WORKERS - 1 + 1 / SLOWNESS)
    twins = [engine_seconds(sleeping_shard, NUM_SHARDS, NUM_WORKERS)[0] for _ in range(args.rounds)]
    before, stragglers._NUM_TIMES = stragglers._NUM_TIMES, NUM_SHARDS + 1
    alone = engine_seconds(sleeping_shard, NUM_SHARDS, NUM_WORKERS)[0]
    stragglers._NUM_TIMES = before
    twice = "slow shards begun again elsewhere"
    rows = [
        ("ideal: the work over the speed of all", f"{ideal:.1f}", "1"),
        (f"**{twice}**, goal 1.3", spread(twins, "{:.1f}"), spread([one / ideal for one in twins])),
        ("each shard begun once (1 round)", f"{alone:.1f}", f"{alone / ideal:.2f}"),
    ]
    what = f"{NUM_SHARDS} shards of {SHARD_SECONDS:.0f} s, {NUM_WORKERS} workers, one at 1/{SLOWNESS}"
    section.table((what, "s", "of the ideal"), rows)
    section.add(
        f"Shards sleep, and time goes {FASTER} times as fast: they stand for shards of "
        f"{SHARD_SECONDS * FASTER:.0f} s.\n"
    )
    bars = {"ideal": [ideal], twice: twins, "each shard begun once": [alone]}
    section.chart(bars, f"s for {NUM_SHARDS} shards", "cluster-straggler")


def tasks_table(section, args):
    """What Dask and the engine need for shards that take no time."""

    def no_work(task, report):
        report({"event": "shard", "shard": task.shard, "split": "train", "num_videos": 1})

    def messages_only(task, report):
        for _ in range(NUM_MESSAGES):
            report({"event": "message"})

    size = len(pickle.dumps(fake_tasks(Path(tempfile.gettempdir()), 1)[0]))
    rows = []
    for num in args.tasks:
        runs = [engine_seconds(no_work, num, 2) for _ in range(args.rounds)]
        wall, cpu = zip(*runs, strict=True)
        each = [1000 * one / num for one in cpu]
        goal = ", goal 5 s" if num == 1000 else ""
        rows.append((f"{num:,}{goal}", spread(wall), spread(cpu), spread(each)))
    runs = [engine_seconds(messages_only, 20, 2) for _ in range(args.rounds)]
    wall, cpu = zip(*runs, strict=True)
    each = spread([1000 * one / (20 * NUM_MESSAGES) for one in cpu])
    name = f"20, with {NUM_MESSAGES} messages of progress each"
    rows.append((name, spread(wall), spread(cpu), f"{each} a message"))
    head = ("shards without work, 2 workers in one process", "s", "CPU seconds", "CPU ms a shard")
    section.table(head, rows)
    section.add(f"Scheduler, client and workers together. A task is {size:,} bytes, goal 100 KB.\n")


PARTS = {"tasks": tasks_table, "straggler": straggler_table, "store": store_table}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, help="one part, printed and not written")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000])
    parser.add_argument("--folder", type=Path, help="where sources are kept between runs")
    add_results_option(parser)
    parser.add_argument("--build", nargs=2, metavar=("SOURCE", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.build:
        one_build(*args.build)
        return
    folder = args.folder
    args.folder = folder or Path(tempfile.mkdtemp(prefix="vidprep-bench-"))
    section = Section(None if args.only else args.results, SECTION)
    try:
        section.begin(f"{args.rounds} rounds")
        for name, measure in PARTS.items():
            if args.only in (None, name):
                measure(section, args)
        section.add(f"Load at the end {os.getloadavg()[0]:.1f}.")
    finally:
        if not folder:
            shutil.rmtree(args.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
