"""examples/slurm/build.sbatch on a real SLURM of two nodes: the same bytes, whatever happens to its tasks."""

import os
import sys
from pathlib import Path

import pytest

from tests.helpers.programs.slurm import Slurm, is_here
from tests.helpers.raw_videos.raw_k400 import SMALL
from tests.helpers.sets.builds import hashes, problems
from vidprep.builder.workspace.shares import share_dir

SCRIPT = Path(__file__).parents[3] / "examples" / "slurm" / "build.sbatch"
TASKS = 4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not is_here(), reason="SLURM (slurm-wlm, munge) is not installed, or this is not root"
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with Slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        cluster.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        yield cluster


def seen(out, number):
    log = share_dir(out, number, TASKS) / ".build" / "log.jsonl"
    return log.read_text().count('"event": "video"') if log.exists() else 0


def submit(slurm, raw, out, *options, ffmpeg=None, time="5"):
    build = [
        "mini_k400",
        "--source",
        raw.folder,
        "--out",
        out,
        *SMALL,
        *(["--ffmpeg", ffmpeg] if ffmpeg else []),
    ]
    sbatch = ["--cpus-per-task=1", "--mem-per-cpu=0", f"--time={time}", f"--output={out.parent}/%A_%a.log"]
    return slurm.submit(f"--array=1-{TASKS}", *sbatch, *options, SCRIPT, *build)


def logs(out):
    return "\n\n".join(f"{path.name}: {path.read_text()}" for path in sorted(out.parent.glob("*.log")))


def test_an_array_over_two_nodes(slurm, dozen, reference, tmp_path):
    job = submit(slurm, dozen, tmp_path / "set")
    assert set(slurm.wait_for_end(job).values()) == {"COMPLETED"}, logs(tmp_path / "set")
    assert hashes(tmp_path / "set") == hashes(reference)
    assert problems(tmp_path / "set") == []


def test_a_task_whose_time_is_up_queues_itself_again(slurm, dozen, reference, tmp_path, misbehaving_ffmpeg):
    """SLURM's own clock looks every half minute; what it sends a task then is sent here at once."""
    out = tmp_path / "set"
    job = submit(slurm, dozen, out, ffmpeg=misbehaving_ffmpeg("_000010", "sleep 3"))
    slurm.wait_until(lambda: seen(out, 1) >= 1, seconds=120)
    slurm.run("scancel", "--batch", "--signal=USR1", f"{job}_1")
    assert set(slurm.wait_for_end(job).values()) == {"COMPLETED"}, logs(out)
    assert "Stopped. 0 of 1 shards are finished and kept, and" in logs(out)
    assert hashes(out) == hashes(reference)


def test_a_node_that_goes_down_and_comes_back(slurm, dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    job = submit(slurm, dozen, out, ffmpeg=misbehaving_ffmpeg("_000010", "sleep 2"))
    slurm.wait_until(lambda: seen(out, 1) >= 1, seconds=120)
    slurm.run("scontrol", "update", "nodename=n1", "state=down", "reason=test")
    slurm.run("scontrol", "update", "nodename=n1", "state=resume", check=False)  # it may be back already
    assert set(slurm.wait_for_end(job).values()) == {"COMPLETED"}, logs(out)
    assert hashes(out) == hashes(reference)


def test_what_is_cancelled_is_kept_and_submitted_again(slurm, dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    job = submit(slurm, dozen, out, ffmpeg=misbehaving_ffmpeg("_000010", "sleep 2"))
    slurm.wait_until(lambda: seen(out, 1) >= 1, seconds=120)
    slurm.run("scancel", job)
    assert "COMPLETED" not in slurm.wait_for_end(job).values(), logs(out)
    assert not (out / "manifest.json").exists()
    again = submit(slurm, dozen, out)
    assert set(slurm.wait_for_end(again).values()) == {"COMPLETED"}, logs(out)
    assert hashes(out) == hashes(reference)
