"""Sets that are extended, or made of others, by processes that are killed at random moments of their work.

They are forked from a server that has imported vidprep already: starting a command takes longer than copying
so few videos.
"""

import multiprocessing
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess as Process
from pathlib import Path

import vidprep
from benchmarks.faults.outcome import Outcome
from tests.helpers.raw_videos.extensions import SETTINGS, build, raw_videos, tar_hashes
from tests.helpers.sets.builds import hashes
from vidprep.shards.index import read_index

WORKS = ("extend", "subset", "merge")
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "benchmarks.faults.interrupted_copies",
        "vidprep.builder.from_raw",
        "vidprep.builder.copying.subset",
        "vidprep.builder.copying.merge",
    ]
)
_MANY = ["shards.samples_per_shard=1"]


class Copies:
    """Sets of two laboratories, each of which lacks videos, and what becomes of them undisturbed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.raw, self.late = raw_videos(folder)
        self.ours = build(self.raw, folder / "ours", overrides=_MANY).out_dir
        self.theirs = build(self.raw, folder / "theirs", self.late, overrides=_MANY).out_dir

    def prepare(self, work: str, name: str) -> Path:
        out = self.folder / name
        if work == "extend":
            shutil.copytree(self.ours, out)
        return out

    def start(self, work: str, out: Path) -> Process:
        process = _SERVER.Process(
            target=do, args=(work, self.ours, self.theirs, (self.raw.folder, self.late), out), daemon=True
        )
        process.start()
        return process

    def finish(self, work: str, out: Path) -> bool:
        """Do the work, or what is left of it; tell whether it ended well."""
        process = self.start(work, out)
        process.join(timeout=300)
        return process.exitcode == 0

    def seconds_of_work(self, work: str, out: Path) -> float:
        """Do the work undisturbed; return how long it took from its first file on."""
        process = self.start(work, out)
        wait_for_work(process, out)
        started = time.monotonic()
        process.join(timeout=300)
        if process.exitcode != 0:
            raise RuntimeError(f"{work} fails undisturbed")
        return time.monotonic() - started


def do(work: str, ours: Path, theirs: Path, sources: Sequence[Path], out: Path) -> None:
    """Extend a set, or make one of others."""
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"  # an extension notes its date
    if work == "extend":
        settings = [*SETTINGS, *_MANY]
        vidprep.build("mini_k400", out, sources=sources, overrides=settings, in_process=True, extend=True)
    elif work == "subset":
        vidprep.subset(theirs, out, limit=8)
    else:
        vidprep.merge([ours, theirs], out)


def wait_for_work(process: Process, out: Path) -> None:
    """Wait until a process has changed a file of its set, or has ended."""

    def state() -> list[tuple[str, int]]:
        return sorted((path.name, path.stat().st_mtime_ns) for path in kept.iterdir())

    kept = out / ".build"
    before = state() if kept.is_dir() else []
    while process.is_alive() and (state() if kept.is_dir() else []) == before:
        time.sleep(0.001)


def try_work(copies: Copies, work: str, tries: int, seed: int = 0) -> Outcome:
    """Kill a process at random moments of its work, begin it again each time, and compare the bytes."""
    draws = random.Random(f"{seed} {work}")
    reference = copies.prepare(work, f"{work}-reference")
    seconds = copies.seconds_of_work(work, reference)
    expected, keys = hashes(reference), read_index(reference).column("key").to_pylist()
    tars = tar_hashes(copies.ours) if work == "extend" else {}
    survived = lost = duplicated = same = 0
    for number in range(tries):
        out = copies.prepare(work, f"{work}-{number}")
        process = copies.start(work, out)
        wait_for_work(process, out)
        time.sleep(draws.uniform(0, seconds))
        process.kill()
        process.join(timeout=60)
        kept = not tars or tars.items() <= tar_hashes(out).items()
        if copies.finish(work, out) and kept:
            survived += 1
            counts = Counter(read_index(out).column("key").to_pylist())
            lost += sum(counts[key] == 0 for key in keys)
            duplicated += sum(count - 1 for count in counts.values())
            same += hashes(out) == expected
        shutil.rmtree(out)
    name = f"`kill -9` of {'an extension' if work == 'extend' else 'a ' + work} at a random moment"
    return Outcome(name, tries, survived, lost, duplicated, same, "")


def copy_outcomes(folder: Path, tries: int) -> Iterator[Outcome]:
    """Kill each of the commands `tries` times."""
    copies = Copies(folder)
    for work in WORKS:
        yield try_work(copies, work, tries)
