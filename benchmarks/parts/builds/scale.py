"""What benchmarks/build.py measures of large builds: a plan of many videos, and the memory of a worker."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from parts.builds.data import made_up_inventory, made_up_shards, make_large_source


def seconds_of_planning(source, num_rows):
    """Seconds of each step of the process that begins and ends a build; the files hold one byte."""
    from vidprep.builder.finalise import finalise
    from vidprep.builder.plan import plan_build
    from vidprep.builder.workspace.plan_file import read_plan, write_plan
    from vidprep.recipes.manifests import read_dataset
    from vidprep.recipes.pipelines import read_pipeline

    classes = read_dataset("k400").labels.classes
    make_large_source(source, classes, num_rows)
    found = {"inventory": _timed(lambda: _take_inventory(source, num_rows))}
    rows = made_up_inventory(num_rows, classes)
    with tempfile.TemporaryDirectory() as name:
        out, recipe = Path(name), read_pipeline("k400")
        plan = _timed(lambda: write_plan(plan_build(recipe, rows, classes, ffmpeg_version="9"), out))
        found["plan, written"] = plan
        done = made_up_shards(out, read_plan(out).rows)
        found[f"finalising {len(done):,} shards"] = _timed(
            lambda: finalise(out, read_plan(out), done, classes)
        )
    return found


def _take_inventory(source, num_rows):
    from vidprep.datasets.inventory import take_inventory
    from vidprep.recipes.recipe import DatasetStage

    rows = take_inventory(DatasetStage(name="k400"), [str(source)], []).rows
    assert (rows["status"] == "present").sum() == num_rows


def _timed(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def memory_of_a_build(source):
    """MiB of a build's only worker with its child, ten times a second, and how many videos were done then."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "vidprep", "build", "mini_k400", "--source", str(source)]
        process = subprocess.Popen(
            [*command, "--out", f"{out}/set", "--workers", "1"], stdout=subprocess.DEVNULL
        )
        return _watch(process, Path(out) / "set" / ".build" / "log.jsonl")


def _watch(process, log):
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
