"""A real SLURM of two nodes on this machine: munge, a controller and two daemons."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
_CONFIGURATION = """\
ClusterName=vidprep
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=5
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=2
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def is_here():
    """Tell whether SLURM is installed, and may be started."""
    return os.geteuid() == 0 and all(shutil.which(program) for program in PROGRAMS)


class Slurm:
    """A cluster that lives as long as a `with` block.

    Args:
        folder: Folder of its state and logs.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        port = 16000 + os.getpid() % 2000
        host = socket.gethostname().split(".")[0]
        (folder / "state").mkdir(parents=True)
        text = _CONFIGURATION.format(folder=folder, host=host, port=port, first=port + 4000, last=port + 4001)
        (folder / "slurm.conf").write_text(text)
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons = []

    def __enter__(self):
        try:
            if subprocess.run(["pgrep", "-x", "munged"], capture_output=True).returncode:
                Path("/run/munge").mkdir(exist_ok=True)
                shutil.chown("/run/munge", "munge")
                subprocess.run(["munged", "--force"], check=True, capture_output=True)
            self._start("slurmctld", "-c", "-D")
            for node in ("n1", "n2"):
                self._start("slurmd", "-D", "-N", node)
            self.wait_until(self._is_idle, seconds=60)
        except (AssertionError, OSError, LookupError, subprocess.SubprocessError) as error:
            self._end_daemons()
            pytest.skip(f"SLURM is installed and does not start on this machine: {error}")
        return self

    def _is_idle(self):
        return self.run("sinfo", "-h", "-o", "%T", check=False).split() == ["idle"]

    def __exit__(self, *exc):
        self.run("scancel", "--user", "root", check=False)
        self._end_daemons()

    def _end_daemons(self):
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(timeout=240)

    def _start(self, *command):
        with (self.folder / f"{command[-1].strip('-')}.out").open("wb") as log:
            daemon = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self._daemons.append(daemon)

    def run(self, *command, check=True):
        """Run a command of SLURM's, and return what it says."""
        done = subprocess.run(
            list(map(str, command)), env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def submit(self, *words, **environment):
        """Submit a batch script; return the job's number."""
        before = self.environment
        self.environment = before | environment
        try:
            return int(self.run("sbatch", "--parsable", *words))
        finally:
            self.environment = before

    def states(self, job):
        """Return the state of each task of a job, by its number; 0 where the job is no array."""
        lines = self.run("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%K %T").splitlines()
        return {int(task) if task != "N/A" else 0: state for task, state in map(str.split, lines)}

    def wait_for_end(self, job, seconds=300):
        """Wait until no task of a job waits or runs, and return their states; see `wait_for_turn`."""
        over = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
        self.wait_for_turn(job, lambda: set(self.states(job).values()) <= over, seconds)
        return self.states(job)

    def wait_for_turn(self, job, condition, seconds=300):
        """Wait until `condition` is true of a job, which may be queued again meanwhile.

        SLURM would have such a job wait for two minutes. Here it begins as soon as it is safe: a node that
        has just ended its first turn refuses the next one ("Job credential revoked"), and SLURM then takes
        the job for completed.
        """
        last_running = time.monotonic()

        def is_met():
            nonlocal last_running
            states = set(self.states(job).values())
            if "PENDING" not in states or states & {"RUNNING", "COMPLETING"}:
                last_running = time.monotonic()
            elif time.monotonic() - last_running > 5:
                self.run("scontrol", "update", f"jobid={job}", "starttime=now", check=False)
            return condition()

        self.wait_until(is_met, seconds)

    def wait_until(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            logs = [path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log"))]
            assert time.monotonic() < deadline, "\n\n".join(["waited in vain", *logs])
            time.sleep(0.2)
