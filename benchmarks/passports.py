"""What passports cost, and how fast a subset is copied.

python benchmarks/passports.py fingerprint   its share of the CPU time of transcoding and checking a video
python benchmarks/passports.py size          a passport of 240,000 rows: bytes, and seconds to compare two
python benchmarks/passports.py subset        in turn: a subset, its checksums alone, `cp` of the same tars

The last writes its section of RESULTS.md, the others print.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import av
import numpy as np
import pandas as pd

import vidprep
from parts.charts import spread
from parts.process_usage import cpu_seconds
from parts.results_file import Section, add_results_option
from parts.rounds import ratios
from vidprep.builder.plan import plan_build
from vidprep.builder.run import carry_out
from vidprep.builder.shard import Accepted, write_shard
from vidprep.builder.transcoding.transcode import check_stored, transcode
from vidprep.builder.workspace.plan_file import read_shard_rows
from vidprep.ffmpeg import find_ffmpeg
from vidprep.machine import num_cores
from vidprep.recipes.manifests import read_dataset
from vidprep.recipes.mini import resolve_recipe
from vidprep.recipes.recipe import Transcode
from vidprep.shards.manifest import SplitTotals
from vidprep.shards.passports.comparison import compare_passports
from vidprep.shards.passports.content_hash import ContentWatcher
from vidprep.shards.passports.passport import make_passport, read_passport, write_passport
from vidprep.shards.tar import Sample

SECTION = "A subset without decoding (`benchmarks/passports.py subset`)"
SOURCES = ("on the disk", "in memory")
ROUNDS = 5
NUM_ROWS = 240_000


def measure_fingerprint(folder, rounds):
    command = [sys.executable, "-m", "vidprep", "synth", "k400", "--out", str(folder / "k400")]
    if not (folder / "k400").exists():
        subprocess.run([*command, "--classes", "4", "--videos-per-class", "3"], check=True)
    videos = sorted((folder / "k400").rglob("*.mp4"))
    settings, ffmpeg = Transcode(), find_ffmpeg()
    shares = []
    for _ in range(rounds):
        before, watching = cpu_seconds(), 0.0
        for video in videos:
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    stored = transcode(video, Path(scratch), settings, ffmpeg)
                except vidprep.VidprepError:
                    continue
                check_stored(stored, settings)
                watching += seconds_of_watching(stored)
        shares.append(watching / (cpu_seconds() - before))
    print(f"fingerprint / transcoding and checking: {spread(shares, '{:.3%}')}")


def seconds_of_watching(stored):
    """CPU time of the fingerprint alone: the same frames once more, without their decoding."""
    watcher = ContentWatcher(stored.num_frames)
    seconds = 0.0
    with av.open(str(stored.path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            started = time.process_time()
            watcher.see(number, frame)
            seconds += time.process_time() - started
    return seconds


def measure_size(folder, rounds):
    random = np.random.default_rng(0)
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"))
    ids = ["".join(row) for row in letters[random.integers(0, 64, (NUM_ROWS, 11))]]
    rows = pd.DataFrame(
        {
            "split": "train",
            "video_id": [f"{one}_{start:06d}_{start + 10:06d}" for start, one in enumerate(ids)],
            "label": random.integers(0, 400, NUM_ROWS),
            "status": "used",
            "reason": "",
            "num_frames": random.integers(200, 320, NUM_ROWS),
            "mp4_crc32": pd.array(random.integers(0, 2**32, NUM_ROWS, dtype=np.uint32), pd.UInt32Dtype()),
            "content": [random.bytes(24) for _ in range(NUM_ROWS)],
        }
    )
    zero = SplitTotals(annotated=0, used=0, missing=0, rejected=0, num_shards=0, size_bytes=0)
    facts = {
        "recipe": resolve_recipe("k400"),
        "classes": read_dataset("k400").labels.classes,
        "tools": {},
        "totals": {"train": zero, "validation": zero},
        "expected": {},
    }
    write_passport(make_passport("a", rows, **facts), folder / "a.parquet")
    write_passport(
        make_passport("b", rows.iloc[::-1].head(NUM_ROWS * 9 // 10), **facts), folder / "b.parquet"
    )
    print(f"passport of {NUM_ROWS:,} rows: {(folder / 'a.parquet').stat().st_size / 1e6:.1f} MB")
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        compare_passports(*(read_passport(folder / f"{name}.parquet") for name in "ab")).counts()
        seconds.append(time.perf_counter() - started)
    print(f"compare two, reading included: {spread(seconds, '{:.1f}')} s")


def measure_subset(folder, rounds, num_videos, results, *, size_bytes=500_000):
    section = Section(results, SECTION)
    section.begin(f"{num_videos:,} videos of noise, 0.5 MB each, half of them taken; {rounds} rounds in turn")
    full = folder / "full"
    classes = read_dataset("k400").labels.classes[:4]
    if not full.exists():
        write_full_set(full, classes, num_videos, size_bytes)
    (folder / "classes.txt").write_text("\n".join(classes[:2]))
    seconds = {source: {what: [] for what in ("subset", "checksums", "cp")} for source in SOURCES}
    for _ in range(rounds):
        for source, of in seconds.items():
            for what, taken in copies_of_a_round(folder, is_cold=source == "on the disk").items():
                of[what].append(taken)
    size = sum(path.stat().st_size for path in (folder / "subset").rglob("*.tar"))
    rows = [
        (source, *map(spread, of.values()), spread(ratios(of["cp"], of["subset"])))
        for source, of in seconds.items()
    ]
    head = ("source", "subset, s", "checksums alone, s", "`cp` and `sync`, s")
    section.table((*head, "speed of subset / of `cp`, goal 0.7"), rows)
    section.add(f"{size / 1e6:,.0f} MB are copied.\n")
    bars = {f"{what}, source {source}": taken for source, of in seconds.items() for what, taken in of.items()}
    section.chart(bars, f"s for {size / 1e6:,.0f} MB", "subset")


def copies_of_a_round(folder, *, is_cold):
    """Seconds of a subset, of the checksums that it needs, and of `cp` and `sync` of what it wrote."""
    steps = {
        "subset": lambda: vidprep.subset(
            folder / "full", folder / "subset", class_list=folder / "classes.txt"
        ),
        "checksums": lambda: checksum_all(sorted((folder / "subset").rglob("*.tar"))),
        "cp": lambda: copy_and_sync(folder / "subset", folder / "copy"),
    }
    for name in ("subset", "copy"):
        shutil.rmtree(folder / name, ignore_errors=True)
    seconds = {}
    for what, step in steps.items():
        os.sync()
        if is_cold:
            forget(folder.rglob("*.tar"))
        started = time.perf_counter()
        step()
        seconds[what] = time.perf_counter() - started
    return seconds


def copy_and_sync(folder, copy):
    subprocess.run(["cp", "-r", folder, copy], check=True)
    subprocess.run(["sync", "-f", copy], check=True)


def checksum_all(tars):
    """Read each tar and take its crc32, md5 and sha256, as many at a time as there are cores."""

    def checksum(path):
        sums = hashlib.md5(), hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while data := file.read(500_000):
                zlib.crc32(data)
                for each in sums:
                    each.update(data)

    with ThreadPoolExecutor(num_cores()) as pool:
        list(pool.map(checksum, tars))


def forget(paths):
    """Have the system drop files from memory, so that they are read from the disk again."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def write_full_set(out_dir, classes, num_videos, size_bytes):
    """A set with noise for videos: a subset does not decode them."""
    rows = pd.DataFrame({"video_id": [f"v{number:06d}" for number in range(num_videos)]})
    rows = rows.assign(split="train", status="present", reason="", detail="", source_dir="", source="x")
    rows["class"] = [classes[number % len(classes)] for number in range(num_videos)]
    rows = rows.assign(
        label=rows["class"].map(classes.index), key="train-" + rows["video_id"], source_bytes=1
    )
    rows["label_full"] = rows["label"]
    random = np.random.default_rng(0)

    def fill(tasks, report):
        for task in tasks:
            planned = read_shard_rows(task.out_dir, task.shard)
            write_shard(task, planned, (noise(row) for row in planned))

    def noise(row):
        named = {name: row[name] for name in ("key", "split", "video_id", "label", "label_full")}
        facts = {"num_frames": 250, "width": 340, "height": 256, "fps": 25.0, "duration_seconds": 10.0}
        video = random.bytes(size_bytes)
        return Accepted(Sample(**named, class_name=row["class"], **facts, video=video), "", content=bytes(24))

    recipe = resolve_recipe("k400", overrides=["shards.samples_per_shard=100"])
    full_classes = read_dataset("k400").labels.classes
    plan = plan_build(recipe, rows, full_classes, ffmpeg_version="none")
    carry_out(plan, out_dir, fill, lambda event: None, full_classes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("fingerprint", "size", "subset"))
    parser.add_argument("--folder", type=Path, help="where files lie and stay; default: a temporary one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--videos", type=int, default=6000, help="for `subset`: of half a megabyte each; half are copied"
    )
    add_results_option(parser)
    given = parser.parse_args()
    measures = {
        "fingerprint": measure_fingerprint,
        "size": measure_size,
        "subset": partial(measure_subset, num_videos=given.videos, results=given.results),
    }
    with tempfile.TemporaryDirectory() as temporary:
        measures[given.what](given.folder or Path(temporary), given.rounds)
