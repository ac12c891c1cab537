"""Whole builds as a user runs them, and what lies there afterwards."""

import hashlib
import subprocess
import time

from tests.helpers.raw_videos.raw_k400 import build_command, run_build
from vidprep.shards.checks import find_problems
from vidprep.shards.ledger import read_ledger

SLOW = ("mp4", "sleep 0.3")  # for `misbehaving_ffmpeg`


def build(raw, out, *options):
    done = run_build(raw, out, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert problems(out) == []
    return done.stdout


def problems(out):
    return [problem for found in find_problems(out, num_workers=0) for problem in found]


def hashes(out):
    files = [
        *sorted(out.glob("*/*.tar")),
        out / "index.parquet",
        out / "ledger.parquet",
        out / "manifest.json",
    ]
    assert len(files) > 3
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def outcomes(out):
    return {row["video_id"]: (row["status"], row["reason"]) for row in read_ledger(out).to_pylist()}


def start_build(raw, out, *options, **popen):
    command = build_command(raw, out, *options)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)


def wait_until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def videos_seen(out):
    log = out / ".build" / "log.jsonl"
    return log.read_text().count('"event": "video"') if log.exists() else 0
