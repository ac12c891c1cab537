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
import json
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import psutil
from process_usage import peak_mib

from vidprep.builder.transcoding.command import encode_command
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode

ROUNDS = 5


def make_sources(folder, num_videos):
    """K400-like and SSv2-like videos, as `vidprep synth` makes them."""
    per_class = max(1, num_videos // 10)
    for dataset in ("k400", "ssv2"):
        if not (folder / dataset).exists():
            command = [sys.executable, "-m", "vidprep", "synth", dataset, "--out", str(folder / dataset)]
            counts = ["--classes", "10", "--videos-per-class", str(per_class), "--validation-per-class", "1"]
            subprocess.run([*command, *counts], check=True)
    return {dataset: sorted(find_videos(folder / dataset)) for dataset in ("k400", "ssv2")}


def find_videos(folder):
    return [path for path in folder.rglob("*") if path.suffix in (".mp4", ".webm")]


def shell_loop(videos, num_processes, *, checked=False):
    """The same FFmpeg command for every file, `num_processes` at a time: what a script would do.

    With `checked`, what a careful script would do: decode the result back, and hash it twice as a build does.
    """
    with tempfile.TemporaryDirectory() as out:
        ffmpeg, lines = find_ffmpeg(), []
        for number, video in enumerate(videos):
            stored = Path(out) / f"{number}.mp4"
            line = shlex.join(encode_command(ffmpeg, video, stored, Transcode()))
            if checked:
                decode = f"{ffmpeg} -v error -xerror -threads 1 -i {stored} -f null -"
                line += f" && {decode} && sha256sum {stored} >&2 && md5sum {stored} >&2"
            lines.append(line)
        started = time.perf_counter()
        subprocess.run(
            ["xargs", "-P", str(num_processes), "-I{}", "sh", "-c", "exec 2>/dev/null; {}"],
            input="\n".join(shlex.quote(line) for line in lines),
            text=True,
            check=True,
        )
        return len(videos) / (time.perf_counter() - started)


def one_build(dataset, source, *options, cores=None):
    """Videos per second of a build, start of the first shard to end of the last, by its own log."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-m",
            "vidprep",
            "build",
            dataset,
            "--source",
            str(source),
            "--out",
            f"{out}/set",
        ]
        command += ["--set", "shards.samples_per_shard=10", *options]
        command = ["taskset", "-c", cores, *command] if cores else command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        events = [json.loads(line) for line in Path(f"{out}/set/.build/log.jsonl").read_text().splitlines()]
    from datetime import datetime

    times = [datetime.fromisoformat(event["time"]) for event in events if event["event"] in ("shard", "done")]
    videos = sum(event["event"] == "video" for event in events)
    return videos / (times[-1] - times[0]).total_seconds()


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
    if not packed.exists():
        pack(unpacked, packed)
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


def pack(unpacked, packed, *, num_parts=4):
    """Put the videos of each split into flat tar.gz files."""
    shutil.copytree(unpacked / "annotations", packed / "annotations")
    for split in ("train", "val"):
        videos = find_videos(unpacked / split)
        (packed / split).mkdir()
        for number in range(num_parts):
            with tarfile.open(packed / split / f"part_{number}.tar.gz", "w:gz") as tar:
                for path in sorted(videos)[number::num_parts]:
                    tar.add(path, arcname=path.name)


def stages(folder, num_videos, rounds):
    """Where the CPU time of one video goes."""
    from vidprep.builder.transcoding.transcode import check_stored, transcode
    from vidprep.shards.tar import ShardWriter

    for dataset, videos in make_sources(folder, num_videos).items():
        spent = {"FFmpeg": 0.0, "start and log": 0.0, "verify": 0.0, "tar": 0.0, "all of it": 0.0}
        with tempfile.TemporaryDirectory() as scratch, ShardWriter(Path(scratch) / "a.tar") as writer:
            for video in videos:
                began = time.process_time()
                children = cpu_of_children()
                video = transcode(video, Path(scratch), Transcode(), find_ffmpeg())
                spent["FFmpeg"] += cpu_of_children() - children
                spent["start and log"] += time.process_time() - began
                mark = time.process_time()
                stored = check_stored(video, Transcode())
                spent["verify"] += time.process_time() - mark
                mark = time.process_time()
                writer.write(sample_of(stored))
                spent["tar"] += time.process_time() - mark
                spent["all of it"] += time.process_time() - began + cpu_of_children() - children
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
                began = time.process_time() + cpu_of_children()
                way()
                found[name].append((time.process_time() + cpu_of_children() - began) / len(videos))
        for loop in ("bare loop", "checked loop"):
            ratios = [theirs / ours for theirs, ours in zip(found[loop], found["build"], strict=True)]
            report(f"{dataset}: CPU of the {loop} / of a build's work", ratios, {})
        milliseconds = {name: round(1000 * statistics.median(spent)) for name, spent in found.items()}
        print(f"{dataset}: CPU ms a video, {len(videos)} videos: {milliseconds}", flush=True)


def build_work(videos):
    """Transcode, check and pack videos as a worker does."""
    from vidprep.builder.transcoding.transcode import check_stored, transcode
    from vidprep.shards.tar import ShardWriter

    with tempfile.TemporaryDirectory() as scratch, ShardWriter(Path(scratch) / "a.tar") as writer:
        for video in videos:
            encoded = transcode(video, Path(scratch), Transcode(), find_ffmpeg())
            writer.write(sample_of(check_stored(encoded, Transcode())))


def sample_of(stored):
    from vidprep.shards.tar import Sample

    return Sample(
        key="train-x",
        split="train",
        video_id="x",
        label=0,
        label_full=0,
        class_name="yoga",
        num_frames=stored.num_frames,
        width=stored.width,
        height=stored.height,
        fps=stored.fps,
        duration_seconds=1.0,
        video=stored.path.read_bytes(),
    )


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def audit(folder):
    """Annotation and files of 241,000 videos, found and matched; the files hold one byte."""
    from vidprep.datasets.inventory import take_inventory
    from vidprep.recipes.manifests import read_dataset
    from vidprep.recipes.recipe import DatasetStage

    source, classes = folder / "large", read_dataset("k400").labels.classes
    if not source.exists():
        rows = ["label,youtube_id,time_start,time_end,split"]
        for label in classes:
            (source / "train" / label).mkdir(parents=True)
        for number in range(241_000):
            label = classes[number % 400]
            (source / "train" / label / f"v{number:010d}_000000_000010.mp4").write_bytes(b"x")
            rows.append(f'"{label}",v{number:010d},0,10,train')
        (source / "annotations").mkdir()
        (source / "annotations" / "train.csv").write_text("\n".join(rows) + "\n")
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


def made_up_inventory(num, classes):
    import pandas as pd

    ids = [f"{number:011d}_000000_000010" for number in range(num)]
    labels = [number % len(classes) for number in range(num)]
    return pd.DataFrame(
        {
            "split": "train",
            "video_id": ids,
            "class": [classes[label] for label in labels],
            "label": labels,
            "label_full": labels,
            "key": [f"train-{video_id}" for video_id in ids],
            "status": "present",
            "reason": "",
            "detail": "",
            "source_dir": "/raw",
            "source": [f"train/x/{video_id}.mp4" for video_id in ids],
            "source_bytes": 10**6,
        }
    )


def made_up_shards(out, planned):
    """What workers would have left: done shards, and their tars (empty files) in the staging folder."""
    from vidprep.builder.workspace.finished import DoneShard
    from vidprep.builder.workspace.paths import staging_path

    places = ("cls_offset", "cls_size", "json_offset", "json_size", "mp4_offset", "mp4_size", "mp4_crc32")
    facts = dict.fromkeys(places, 512) | {"num_frames": 300, "width": 340, "height": 256}
    facts |= {"fps": 30.0, "duration_seconds": 10.0}
    staging_path(out, 0).parent.mkdir(parents=True, exist_ok=True)
    done = {}
    for number, shard in planned.groupby("shard"):
        rows = [
            {name: row[name] for name in ("key", "split", "label", "class", "video_id")}
            | facts
            | {"position": place}
            for place, row in enumerate(shard.to_dict("records"))
        ]
        details = {row["key"]: "Video: h264" for row in rows}
        hashes = {"size_bytes": 0, "sha256": "0" * 64, "md5": "0" * 32}
        done[number] = DoneShard(
            shard=number, split="train", rows=tuple(rows), details=details, rejected=(), **hashes
        )
        staging_path(out, number).touch()
    return done


def memory(folder, num_videos, rounds):
    """Resident memory of a build's only worker with its child, over many 1280x720 videos."""
    source = folder / "hd"
    if not source.exists():
        (source / "train" / "yoga").mkdir(parents=True)
        first = source / "first.mp4"
        picture = "testsrc2=s=1280x720:r=30:d=2"
        subprocess.run([find_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", picture, str(first)], check=True)
        rows = ["label,youtube_id,time_start,time_end,split"]
        for number in range(num_videos):
            os.link(first, source / "train" / "yoga" / f"v{number:04d}_000000_000010.mp4")
            rows.append(f"yoga,v{number:04d},0,10,train")
        first.unlink()
        (source / "annotations").mkdir()
        (source / "annotations" / "train.csv").write_text("\n".join(rows) + "\n")
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
