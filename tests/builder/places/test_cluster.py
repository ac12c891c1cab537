"""Dask workers that share no disk: only the store; killed one after the other, the bytes are the same."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.helpers.raw_videos.raw_k400 import run_build
from tests.helpers.sets.builds import SLOW, start_build, wait_until
from tests.helpers.stores.bucket import WARNINGS
from tests.helpers.stores.store_builds import URL, files, kept, objects
from vidprep.builder.engines.worker_versions import describe_misfit

pytestmark = WARNINGS


class Cluster:
    """A scheduler, and workers with a scratch folder each."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self._file = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_until(lambda: self._file.exists() and self._file.read_text().strip().endswith("}"))
        self.address = json.loads(self._file.read_text())["address"]

    def add_worker(self, *options):
        scratch = self.folder / f"scratch{len(self.processes)}"
        scratch.mkdir()
        worker = self._start("worker", "--nthreads", "1", *options, TMPDIR=str(scratch))
        return worker, scratch

    def _start(self, what, *options, **environment):
        command = [sys.executable, "-m", "distributed.cli.dask_" + what, "--no-dashboard"]
        with (self.folder / f"{what}{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--scheduler-file", str(self._file), *options],
                env=os.environ | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=240)


@pytest.fixture
def cluster(tmp_path, bucket):
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    yield cluster
    cluster.close()


def num_done(bucket):
    return sum(name.startswith("done/") for name in kept(bucket))


@pytest.mark.slow
def test_client_and_worker_are_killed(dozen, reference, bucket, cluster, misbehaving_ffmpeg):
    workers = [cluster.add_worker() for _ in range(2)]
    options = ("--scheduler", cluster.address, "--ffmpeg", misbehaving_ffmpeg(*SLOW))
    first = start_build(dozen, URL, *options)
    wait_until(lambda: num_done(bucket) >= 1)
    first.kill()
    first.communicate(timeout=240)
    second = start_build(dozen, URL, *options)
    wait_until(lambda: num_done(bucket) >= 2)
    os.killpg(workers[0][0].pid, signal.SIGKILL)
    said = second.communicate(timeout=240)[0]
    assert second.returncode == 0, said
    assert objects(bucket) == files(reference)
    for _, scratch in workers[1:]:  # the one that was killed could not tidy up
        assert not list(scratch.rglob("*.partial"))


@pytest.mark.slow
def test_the_scheduler_is_killed(dozen, reference, bucket, cluster, misbehaving_ffmpeg):
    """Its workers end, the client says what to do; the next build needs no cluster."""
    cluster.add_worker("--death-timeout", "5")
    slow = misbehaving_ffmpeg("held_out", "sleep 20")  # the last shard is still in hand then
    options = ("--scheduler", cluster.address, "--ffmpeg", slow)
    build = start_build(dozen, URL, *options)
    wait_until(lambda: num_done(bucket) >= 1)
    os.killpg(cluster.processes[0].pid, signal.SIGKILL)
    said = " ".join(build.communicate(timeout=240)[0].split())
    assert build.returncode == 1, said
    assert "The Dask scheduler is gone. Finished shards are kept: run the same build again." in said
    assert not [name for name in kept(bucket) if "lease" in name]
    done = run_build(dozen, URL, "--sync")
    assert done.returncode == 0, done.stderr
    assert objects(bucket) == files(reference)


@pytest.mark.slow
def test_a_worker_with_another_vidprep_is_refused_by_name(dozen, bucket, cluster):
    preload = cluster.folder / "older.py"
    preload.write_text("import vidprep\nvidprep.__version__ = '0.1.0'\n")
    cluster.add_worker("--preload", str(preload))
    cluster.add_worker()
    build = start_build(dozen, URL, "--scheduler", cluster.address)
    said = " ".join(build.communicate(timeout=240)[0].split())
    assert build.returncode == 1, said
    assert ": vidprep 0.1.0, here 0.2.0" in said
    assert "Install the same versions everywhere" in said
    assert num_done(bucket) == 0


def test_what_does_not_fit_is_named():
    ours = {"host": "here", "Python": "3.11", "vidprep": "0.2.0", "FFmpeg": "7.0.2"}
    found = {"Python": "3.12", "vidprep": "0.2.0", "FFmpeg": "6.1"}
    assert describe_misfit(found, ours) == "Python 3.12, here 3.11, FFmpeg 6.1, here 7.0.2"
    assert describe_misfit({"Python": "3.11"}, ours) == ""
