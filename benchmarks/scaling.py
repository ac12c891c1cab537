"""What a build of ten million clips would take: small measurements, and a simulation that extends them.

    python benchmarks/scaling.py measure [--clips FOLDER]   plan, done-files, log of many videos; real clips
    python benchmarks/scaling.py simulate                   the tables of docs/scaling.md

What is measured and what is assumed stands at `Measured` and `Assumed`. A cluster is simulated shard by
shard, with workers that are slow and machines that are taken away.
"""

import argparse
import heapq
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from parts.builds.data import made_up_inventory, made_up_shards
from parts.charts import spread
from parts.process_usage import cpu_seconds, peak_mib
from parts.results_file import Section, add_results_option

DOCS = Path(__file__).parents[1] / "docs" / "scaling.md"
SECTION = "Large builds (`benchmarks/scaling.py`)"
PER_SHARD, PART_BYTES = 250, 32 << 20


@dataclass(frozen=True)
class Measured:
    """Measurements, from RESULTS.md and from the tests of stores."""

    cpu_seconds_a_clip: float = 0.94  # four real Kinetics clips of 10 s, 340x256 to 426x320, checks included
    efficiency: float = 0.9  # of a build against a shell loop of FFmpeg
    stored_bytes: float = 530e3
    source_bytes: float = 480e3
    ms_a_task: float = 1.4  # CPU of scheduler and client
    ms_a_message: float = 0.05
    requests_a_shard: int = 6  # at most, beside its parts
    plan_seconds: float = 13.3  # CPU seconds a million videos
    done_seconds: float = 5.7  # reading the done-files; a build does it four times
    finalise_seconds: float = 25.7
    client_gib: float = 3.5  # memory a million videos
    log_seconds: float = 9.2  # of `status`, a million videos
    log_gib: float = 1.4


@dataclass(frozen=True)
class Assumed:
    """Assumptions about clusters and prices, which were not measured."""

    spread: float = 0.1  # of the speed of cores, standard deviation of its logarithm
    slow_share: float = 0.001  # of the cores have a twentieth of the speed
    slowness: float = 20.0
    lost_an_hour: float = 0.02  # of the cores, with their scratch; another one comes
    back_seconds: float = 120.0
    request_seconds: float = 0.1
    requests_at_once: int = 16
    dollars_a_core_hour: float = 0.03
    dollars_a_million_writes: float = 5.0  # PUT, COPY, POST, LIST
    dollars_a_million_reads: float = 0.4
    dollars_a_tb_month: float = 23.0


MEASURED, ASSUMED = Measured(), Assumed()


@dataclass
class Run:
    """How a simulated build went."""

    seconds: float
    ideal_seconds: float
    core_seconds: float
    num_lost: int
    num_again: int


def simulate(num_shards, num_cores, *, losses=True, seed=0):
    """Build shard by shard: idle cores take the next one, or a slow one a second time."""
    rng = random.Random(seed)
    speeds = [rng.lognormvariate(0, ASSUMED.spread) for _ in range(num_cores)]
    speeds = [one / ASSUMED.slowness if rng.random() < ASSUMED.slow_share else one for one in speeds]
    seconds = PER_SHARD * MEASURED.cpu_seconds_a_clip / MEASURED.efficiency
    waiting, running, times = list(range(num_shards))[::-1], {}, []
    ends, done, again, idle = [], set(), set(), []
    busy, num_lost, now = 0.0, 0, 0.0

    def begin(core, shard):
        took = seconds / speeds[core]
        lost_after = rng.expovariate(ASSUMED.lost_an_hour / 3600) if losses else took
        running.setdefault(shard, now)
        heapq.heappush(ends, (now + min(took, lost_after), core, shard, lost_after < took, now))

    for core in range(num_cores):
        if waiting:
            begin(core, waiting.pop())
        else:
            idle.append(core)
    while len(done) < num_shards:
        now, core, shard, is_lost, since = heapq.heappop(ends)
        busy += now - since
        if shard >= 0 and shard not in done:
            if is_lost:
                num_lost += 1
                waiting.append(shard)
                running.pop(shard, None)
                heapq.heappush(
                    ends, (now + ASSUMED.back_seconds, core, -1, False, now + ASSUMED.back_seconds)
                )
                continue
            done.add(shard)
            times.append(now - running.pop(shard, since))
        if waiting:
            begin(core, waiting.pop())
        else:
            idle.append(core)
        if waiting or not idle or len(times) < 3:
            continue
        limit = max(20.0, 2 * statistics.median(times[-1000:]))
        late = sorted((begun, one) for one, begun in running.items() if one not in again)
        for begun, one in late:
            if idle and now - begun > limit:
                again.add(one)
                begin(idle.pop(), one)
        soonest = next((begun + limit + 0.1 for begun, one in late if one not in again), 0.0)
        if idle and soonest > now and (not ends or ends[0][0] > soonest):  # looked again when one gets slow
            heapq.heappush(ends, (soonest, idle.pop(), -1, False, soonest))
    return Run(now, num_shards * seconds / sum(speeds), busy, num_lost, len(again))


def hours(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


CASES = (
    ("Kinetics-400", 240_000, 32),
    ("Kinetics-400", 240_000, 1000),
    ("10 million clips", 10_000_000, 1000),
)


def time_and_cost():
    yield (
        "| build | shards | cores | time | of the ideal | shards lost with a machine | begun twice "
        "| core hours | computing |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, clips, cores in CASES:
        shards = clips // PER_SHARD
        runs = [simulate(shards, cores, seed=seed) for seed in range(3)]
        run = sorted(runs, key=lambda one: one.seconds)[1]
        core_hours = run.core_seconds / 3600
        yield (
            f"| {name} | {shards:,} | {cores:,} | {hours(run.seconds)} | "
            f"{run.seconds / run.ideal_seconds:.2f} | {run.num_lost:,} | {run.num_again:,} | "
            f"{core_hours:,.0f} | ${core_hours * ASSUMED.dollars_a_core_hour:,.0f} |"
        )


def requests():
    yield (
        "| build | stored | writes (PUT, COPY, LIST) | reads | requests cost | storage a month "
        "| writes a second |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, clips, cores in CASES:
        shards = clips // PER_SHARD
        tar_bytes = PER_SHARD * MEASURED.stored_bytes
        parts = -(-tar_bytes // PART_BYTES)
        writes = shards * (MEASURED.requests_a_shard + parts)
        reads = 2 * clips
        cost = (writes * ASSUMED.dollars_a_million_writes + reads * ASSUMED.dollars_a_million_reads) / 1e6
        terabytes = clips * MEASURED.stored_bytes / 1e12
        rate = writes / (shards * PER_SHARD * MEASURED.cpu_seconds_a_clip / MEASURED.efficiency / cores)
        yield (
            f"| {name}, {cores:,} cores | {terabytes:.2f} TB | {writes:,.0f} | {reads:,} | ${cost:,.2f} | "
            f"${terabytes * ASSUMED.dollars_a_tb_month:,.0f} | {rate:.1f} |"
        )


def scheduler():
    yield "| cores | messages a second | shards a second | CPU of scheduler and client |"
    yield "|---|---|---|---|"
    seconds = MEASURED.cpu_seconds_a_clip / MEASURED.efficiency
    for cores in (32, 128, 512, 1000, 4000):
        messages, tasks = cores / seconds, cores / seconds / PER_SHARD
        share = (messages * MEASURED.ms_a_message + tasks * MEASURED.ms_a_task) / 1000
        yield f"| {cores:,} | {messages:,.0f} | {tasks:.2f} | {share:.0%} of a core |"


def one_process():
    yield "| the process that begins and ends the build | Kinetics-400 | 1 million | 10 million |"
    yield "|---|---|---|---|"
    sizes = (0.24, 1.0, 10.0)
    reading = MEASURED.plan_seconds + 4 * MEASURED.done_seconds + MEASURED.finalise_seconds
    copies = [1e6 * size / PER_SHARD * ASSUMED.request_seconds / ASSUMED.requests_at_once for size in sizes]
    yield _row("plan, done-files, index and ledger, CPU", [hours(reading * size) for size in sizes])
    yield _row("final names in a store, by copies", [hours(seconds) for seconds in copies])
    yield _row("memory", [f"{MEASURED.client_gib * size:.1f} GiB" for size in sizes])
    yield _row("`status`, CPU", [hours(MEASURED.log_seconds * size) for size in sizes])
    yield _row("`status`, memory", [f"{MEASURED.log_gib * size:.1f} GiB" for size in sizes])


def _row(name, cells):
    return f"| {name} | {' | '.join(cells)} |"


def write_tables(path):
    tables = {
        "Time and computing": time_and_cost,
        "Requests and storage": requests,
        "The scheduler": scheduler,
        "What one process does": one_process,
    }
    for heading, table in tables.items():
        section = Section(path, heading)
        for line in table():
            section.add(line)


def plan_and_finish(num):
    """CPU seconds and memory of what one process does, for so many videos; printed as JSON."""
    from vidprep.builder.finalise import finalise
    from vidprep.builder.plan import plan_build
    from vidprep.builder.workspace.finished import read_done, write_done
    from vidprep.builder.workspace.plan_file import read_plan, write_plan
    from vidprep.recipes.manifests import read_dataset
    from vidprep.recipes.pipelines import read_pipeline

    classes, found = read_dataset("k400").labels.classes, {"before": peak_mib()}

    def timed(name, work):
        start = time.process_time()
        result = work()
        found[name] = time.process_time() - start
        return result

    with tempfile.TemporaryDirectory() as name:
        out, rows = Path(name), made_up_inventory(num, classes)
        recipe = read_pipeline("k400")
        timed("plan", lambda: write_plan(plan_build(recipe, rows, classes, ffmpeg_version="9"), out))
        for shard in made_up_shards(out, read_plan(out).rows).values():
            partial = out / "partial"
            partial.touch()
            write_done(out, shard, partial)
        facts = read_plan(out).facts
        done = timed("done", lambda: read_done(out, facts))
        assert len(done) == num // PER_SHARD
        timed("finalise", lambda: finalise(out, read_plan(out), done, classes))
    print(json.dumps(found | {"memory": peak_mib() - found["before"]}))


def read_log(num):
    """CPU seconds and memory of reading the log of so many videos; printed as JSON."""
    from vidprep.builder.workspace.log import BuildLog, scan_log

    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        log = BuildLog(out)
        event = {"event": "video", "shard": 0, "worker": "10.0.0.7:40001", "seconds": 1.2, "size_bytes": 500}
        for number in range(num):
            log.write(event | {"key": f"train-{number:011d}", "source": f"train/x/{number:011d}.mp4"})
        log.close()
        before, start = peak_mib(), time.process_time()
        assert len(scan_log(out).events) == num
        print(json.dumps({"log": time.process_time() - start, "memory": peak_mib() - before}))


def cpu_of_clips(section, folder):
    """CPU seconds of each real clip in a folder: three runs, decoded again for checking."""
    from vidprep.builder.transcoding.transcode import check_stored, transcode
    from vidprep.ffmpeg import find_ffmpeg
    from vidprep.recipes.pipelines import read_pipeline

    settings = read_pipeline("k400").transcode
    clips, rows, bars = sorted(folder.glob("k400_*")), [], {}
    if not clips:
        section.add(f"No table of real clips, for {folder.name} holds none named k400_*.\n")
        return
    for path in clips:
        spent = []
        for _ in range(3):
            with tempfile.TemporaryDirectory() as scratch:
                start = cpu_seconds()
                video = check_stored(transcode(path, Path(scratch), settings, find_ffmpeg()), settings)
                spent.append(cpu_seconds() - start)
                size = video.path.stat().st_size
        rows.append((path.name, spread(spent), f"{path.stat().st_size:,}", f"{size:,}"))
        bars[path.name] = spent
    section.table(("real clip", "CPU s", "source bytes", "stored bytes"), rows)
    section.chart(bars, "CPU seconds, three runs", "scaling-clips")


def measure(args):
    section = Section(args.results, SECTION)
    section.begin("CPU seconds; three runs of each clip, one of the rest")
    if args.clips:
        cpu_of_clips(section, args.clips)
    rows, bars = [], {}
    for num in args.videos:
        found, log = in_process_of_its_own("finish", num), in_process_of_its_own("log", num)
        times = {name: found[name] for name in ("plan", "done", "finalise")} | {"log": log["log"]}
        memory = [f"{one['memory']:,.0f}" for one in (found, log)]
        rows.append((f"{num:,}", *(f"{seconds:.1f}" for seconds in times.values()), *memory))
        bars |= {f"{num:,} videos: {name}": [seconds] for name, seconds in times.items()}
    head = ("videos", "plan, s", "done-files, s", "finalise, s", "log, s")
    section.table((*head, "memory of the first three, MiB", "memory of the log, MiB"), rows)
    section.chart(bars, "CPU seconds", "scaling")


def in_process_of_its_own(what, num):
    command = [sys.executable, __file__, what, "--videos", str(num)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["measure", "simulate", "finish", "log"])
    parser.add_argument("--clips", type=Path, help="folder of real clips, named k400_*")
    parser.add_argument("--videos", type=int, nargs="+", default=[100_000, 300_000])
    add_results_option(parser)
    parser.add_argument("--docs", type=Path, default=DOCS, help="file whose tables are written anew")
    args = parser.parse_args()
    if args.what == "simulate":
        write_tables(args.docs)
    elif args.what == "measure":
        measure(args)
    elif args.what == "finish":
        plan_and_finish(args.videos[0])
    else:
        read_log(args.videos[0])


if __name__ == "__main__":
    main()
