"""Builds that are killed, stopped, frozen, given other sources, and then begun again."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from benchmarks.faults.outcome import Outcome
from tests.helpers.programs.terminal import Terminal
from tests.helpers.raw_videos.raw_k400 import CLASSES, Raw, build_command, run_build
from tests.helpers.sets.builds import hashes, start_build, videos_seen, wait_until
from vidprep.ffmpeg import find_ffmpeg
from vidprep.shards.index import read_index

_WORKERS = ("--workers", 2)
Fault = Callable[["subprocess.Popen[str]", random.Random], None]


class Bench:
    """Raw videos, and the set that is built from them when nothing goes wrong."""

    def __init__(self, folder: Path, num_videos: int) -> None:
        self.folder = folder
        self.raw = Raw(folder / "raw")
        for number in range(num_videos):
            self.raw.add(f"video{number}", label=CLASSES[number % 3], num_frames=4 + number % 9)
        self.raw.add("held_out", split="val", label=CLASSES[0])
        self.slow_ffmpeg = self._slow_ffmpeg()
        done = run_build(self.raw, folder / "reference", "--sync")
        assert done.returncode == 0, done.stdout + done.stderr
        self.expected = hashes(folder / "reference")
        self.keys = read_index(folder / "reference").column("key").to_pylist()

    def _slow_ffmpeg(self) -> str:
        path = self.folder / "slow_ffmpeg"
        path.write_text(f'#!/bin/sh\ncase "$*" in *mp4*) sleep 0.2;; esac\nexec "{find_ffmpeg()}" "$@"\n')
        path.chmod(0o755)
        return str(path)

    def outcome(self, fault: str, outs: list[Path], messages: list[str]) -> Outcome:
        """Count what became of builds that ended well in the end, or did not (`manifest.json` is missing)."""
        lost = duplicated = same = survived = 0
        for out in outs:
            if not (out / "manifest.json").is_file():
                continue
            survived += 1
            counts = Counter(read_index(out).column("key").to_pylist())
            lost += sum(counts[key] == 0 for key in self.keys)
            duplicated += sum(count - 1 for count in counts.values())
            same += hashes(out) == self.expected
        said = Counter(messages).most_common(1)[0][0] if messages else ""
        return Outcome(fault, len(outs), survived, lost, duplicated, same, said)


def last_sentence(text: str) -> str:
    """Return the last sentence of a program, without what differs from try to try."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "nothing")[:160]


def in_the_midst(bench: Bench, name: str, tries: int, fault: Fault) -> Outcome:
    """Let something happen at a random moment of a build; then run the same command again where it ended."""
    outs, messages = [], []
    for number in range(tries):
        draw, out = random.Random(f"{name} {number}"), bench.folder / f"{name} {number}".replace(" ", "_")
        process = start_build(
            bench.raw, out, *_WORKERS, "--ffmpeg", bench.slow_ffmpeg, start_new_session=True
        )
        wait_until(lambda out=out: videos_seen(out) >= 1)
        time.sleep(draw.uniform(0, 2))
        fault(process, draw)
        text, _ = process.communicate(timeout=300)
        if process.returncode:
            again = run_build(bench.raw, out, *_WORKERS)
            text = "" if process.returncode == -signal.SIGKILL else text
            text += again.stdout + again.stderr if again.returncode else ""
        messages.append(last_sentence(text) if process.returncode else "goes on by itself")
        outs.append(out)
    return bench.outcome(name, outs, messages)


def _family(process: "subprocess.Popen[str]", is_ffmpeg: bool) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = " ".join(child.cmdline())
            ours = "ffmpeg" in words if is_ffmpeg else "spawn_main" in words
            found += [child] if ours else []
    return found


def kill_main(process: "subprocess.Popen[str]", draw: random.Random) -> None:
    process.kill()


def kill_worker(process: "subprocess.Popen[str]", draw: random.Random) -> None:
    with contextlib.suppress(psutil.Error, IndexError):
        draw.choice(_family(process, is_ffmpeg=False)).kill()


def kill_child(process: "subprocess.Popen[str]", draw: random.Random) -> None:
    with contextlib.suppress(psutil.Error, IndexError):
        draw.choice(_family(process, is_ffmpeg=True)).kill()


def freeze_worker(process: "subprocess.Popen[str]", draw: random.Random) -> None:
    with contextlib.suppress(psutil.Error, IndexError):
        worker = draw.choice(_family(process, is_ffmpeg=False))
        worker.suspend()
        time.sleep(3)
        worker.resume()


def interrupt_group(process: "subprocess.Popen[str]", draw: random.Random) -> None:
    os.killpg(process.pid, signal.SIGINT)


def ctrl_c_in_a_terminal(bench: Bench, tries: int) -> Outcome:
    """Press Ctrl-C in a pseudo-terminal at a random moment; run the same command again."""
    outs, messages = [], []
    for number in range(tries):
        out, draw = bench.folder / f"terminal_{number}", random.Random(number)
        words = build_command(bench.raw, out, *_WORKERS, "--ffmpeg", bench.slow_ffmpeg)[3:]
        with Terminal(*words) as terminal:
            moment = time.monotonic() + draw.uniform(0.3, 12)
            with contextlib.suppress(AssertionError):  # it has ended before that moment
                terminal.wait_until(
                    lambda moment=moment, out=out: time.monotonic() > moment or videos_seen(out) >= 18
                )
            terminal.press_ctrl_c()
            text, code = terminal.read_to_end()
        messages.append(f"exit {code}: {last_sentence(text)}")
        run_build(bench.raw, out, *_WORKERS)
        outs.append(out)
    return bench.outcome("Ctrl-C in a terminal", outs, messages)


def two_at_once(bench: Bench, tries: int) -> Outcome:
    """Start the same build twice at the same time; the one that came second is refused."""
    outs, messages = [], []
    for number in range(tries):
        out = bench.folder / f"two_{number}"
        both = [start_build(bench.raw, out, *_WORKERS, "--ffmpeg", bench.slow_ffmpeg) for _ in range(2)]
        texts = [process.communicate(timeout=300)[0] for process in both]
        refused = [text for text, process in zip(texts, both, strict=True) if process.returncode]
        messages += [last_sentence(text) for text in refused] or ["both end well, one after the other"]
        outs.append(out)
    said = [message.split(str(bench.folder))[0] for message in messages]
    return bench.outcome("two builds into one folder", outs, said)


def changed_source(bench: Bench, name: str, change: Callable[[Path], None]) -> Outcome:
    """Change a source between plan and transcoding, then bring it back and run the same command again."""
    out = bench.folder / name.replace(" ", "_")
    path = next(bench.raw.folder.glob("train/*/video1_*.mp4"))
    kept = path.read_bytes()
    process = start_build(bench.raw, out, "--sync", "--ffmpeg", bench.slow_ffmpeg)
    try:
        wait_until(lambda: (out / ".build" / "plan.parquet").exists())
        change(path)
        text, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        path.unlink(missing_ok=True)
        path.write_bytes(kept)
    run_build(bench.raw, out, "--sync")
    said = last_sentence(text).replace(str(bench.raw.folder), "RAW")
    return bench.outcome(name, [out], [said if process.returncode else "was read before that"])


def become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)  # which leads to itself


def full_disk(bench: Bench) -> Outcome:
    """Build onto a disk of a megabyte that is nearly full; make room and run the same command again."""
    name, disk = "the disk is full", bench.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return Outcome(name, 0, 0, None, None, None, "not tried: mounting a disk needs root")
    try:
        (disk / "ballast").write_bytes(bytes(900 * 1024))
        done = run_build(bench.raw, disk / "set", *_WORKERS)
        (disk / "ballast").unlink()
        run_build(bench.raw, disk / "set", *_WORKERS)
        said = last_sentence(done.stderr).replace(str(disk), "DISK")
        return bench.outcome(name, [disk / "set"], [said if done.returncode else "it was not full"])
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def short_build_outcomes(folder: Path, tries: int) -> Iterator[Outcome]:
    """Yield rows for those faults that tell most in the least time."""
    bench = Bench(folder, num_videos=12)
    yield in_the_midst(bench, "kill -9 of the build", tries, kill_main)
    yield ctrl_c_in_a_terminal(bench, tries)
    yield changed_source(bench, "a source grows", grow)


def build_outcomes(folder: Path, tries: int) -> Iterator[Outcome]:
    """Yield a row for each fault of a build."""
    bench = Bench(folder, num_videos=24)
    yield in_the_midst(bench, "kill -9 of the build", tries, kill_main)
    yield in_the_midst(bench, "kill -9 of a worker", tries, kill_worker)
    yield in_the_midst(bench, "kill -9 of an FFmpeg", tries, kill_child)
    yield in_the_midst(bench, "SIGSTOP of a worker for 3 s", tries, freeze_worker)
    yield in_the_midst(bench, "SIGINT to the process group", tries, interrupt_group)
    yield ctrl_c_in_a_terminal(bench, tries)
    yield two_at_once(bench, min(tries, 3))
    yield full_disk(bench)
    yield changed_source(bench, "a source grows", grow)
    yield changed_source(bench, "a source vanishes", Path.unlink)
    yield changed_source(bench, "a source becomes a FIFO", become_fifo)
    yield changed_source(bench, "a source becomes a link to itself", become_link)
