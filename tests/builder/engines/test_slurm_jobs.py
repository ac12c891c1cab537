"""`vidprep build --slurm`: what is asked for, and a build by workers that a real SLURM starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.programs.slurm import Slurm, is_here
from tests.helpers.raw_videos.raw_k400 import build_command, run_build
from tests.helpers.sets.builds import hashes, problems
from vidprep.builder.engines.slurm_jobs import SlurmJobs
from vidprep.errors import ToolError


def test_what_is_asked_for():
    jobs = SlurmJobs.parse("nodes=4,cores=8,time=1-02:00:00,partition=main,account=lab,memory=16GB")
    assert jobs == SlurmJobs(4, 8, "1-02:00:00", "main", "lab", "16GB")
    assert (jobs.seconds, jobs.lifetime_seconds) == (26 * 3600, 26 * 3600 - 600)
    assert SlurmJobs.parse("time=00:10:00").lifetime_seconds == 540
    assert SlurmJobs.parse("") == SlurmJobs()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node=4", "must be NAME=VALUE,... such as nodes=4,.*; got 'node=4'"),
        ("nodes", "got 'nodes'"),
        ("nodes=0", "nodes must be a number of at least 1, got '0'"),
        ("time=4h", "time must be HH:MM:SS or D-HH:MM:SS, got '4h'"),
    ],
)
def test_what_cannot_be_read(dozen, tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        SlurmJobs.parse(text)
    done = run_build(dozen, tmp_path / "set", "--slurm", text)
    assert done.returncode == 2
    assert text.rpartition("=")[2] in done.stderr
    assert not (tmp_path / "set").exists()


def test_without_slurm_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="SLURM is not on this machine"):
        SlurmJobs().check()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not is_here(), reason="SLURM (slurm-wlm, munge) is not installed, or this is not root")
def test_a_build_by_two_jobs_and_a_job_that_slurm_takes_not(dozen, reference, tmp_path):
    with Slurm(tmp_path / "slurm") as slurm:
        environment = slurm.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

        def run(what):
            command = build_command(dozen, tmp_path / "set", "--slurm", what)
            return subprocess.run(
                command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600
            )

        refused = run("nodes=2,partition=none")
        assert refused.returncode == 1
        assert "SLURM refuses such a job" in refused.stderr
        assert "invalid partition" in refused.stderr
        done = run("nodes=2,cores=1,time=00:05:00,partition=main")
        assert done.returncode == 0, done.stdout + done.stderr
        slurm.wait_until(lambda: not slurm.run("squeue", "-h").strip(), seconds=120)
    assert hashes(tmp_path / "set") == hashes(reference)
    assert problems(tmp_path / "set") == []
