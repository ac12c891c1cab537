"""Workers that SLURM starts: one job a node through dask-jobqueue, for as long as a build lasts."""

import logging
import re
import shutil
import subprocess
from dataclasses import dataclass, fields
from typing import Any, Self

import dask

from vidprep.errors import ToolError

_TIME = re.compile(r"(?:(\d+)-)?(\d{1,3}):(\d\d):(\d\d)")
_EXAMPLE = "nodes=4,cores=8,time=04:00:00,partition=main,account=lab,memory=16GB"


@dataclass(frozen=True)
class SlurmJobs:
    """What is asked of SLURM.

    Attributes:
        nodes: Jobs at the same time; one that ends before the build does is followed by another.
        cores: Cores of each job, which runs one worker on each.
        time: Time limit of each job, HH:MM:SS or D-HH:MM:SS. Its workers stop early, by a tenth of the limit
            and at most ten minutes; the videos that they finished of incomplete shards are kept.
        partition: SLURM's partition; "": SLURM's default.
        account: The account that is charged; "": SLURM's default.
        memory: Memory of each job, e.g. "16GB"; "": SLURM's default.
    """

    nodes: int = 1
    cores: int = 1
    time: str = "04:00:00"
    partition: str = ""
    account: str = ""
    memory: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "nodes=4,time=04:00:00"; what is not given keeps its default.

        Raises:
            ValueError: If a name is unknown or a value is malformed.
        """
        known = {field.name: field.type for field in fields(cls)}
        given: dict[str, Any] = {}
        for part in filter(None, text.split(",")):
            name, _, value = part.partition("=")
            if name not in known or not value:
                raise ValueError(f"slurm must be NAME=VALUE,... such as {_EXAMPLE}; got {part!r}.")
            if name in ("nodes", "cores"):
                if not value.isdecimal() or int(value) < 1:
                    raise ValueError(f"slurm: {name} must be a number of at least 1, got {value!r}.")
                given[name] = int(value)
            else:
                given[name] = value
        jobs = cls(**given)
        if _TIME.fullmatch(jobs.time) is None:
            raise ValueError(f"slurm: time must be HH:MM:SS or D-HH:MM:SS, got {jobs.time!r}.")
        return jobs

    @property
    def seconds(self) -> int:
        """The time limit of a job."""
        found = _TIME.fullmatch(self.time)
        assert found is not None  # parse has looked
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds

    @property
    def lifetime_seconds(self) -> int:
        """Seconds after which the workers of a job stop."""
        return self.seconds - min(600, self.seconds // 10)

    def check(self) -> None:
        """Ask SLURM whether it would take such a job.

        Raises:
            ToolError: If it would not, with SLURM's own message; or if there is no SLURM here.
        """
        if shutil.which("sbatch") is None:
            raise ToolError(
                "SLURM is not on this machine (there is no sbatch). Leave --slurm out, or log in to a "
                "machine that has it."
            )
        options = [f"--cpus-per-task={self.cores}", f"--time={self.time}"]
        options += [f"--partition={self.partition}"] if self.partition else []
        options += [f"--account={self.account}"] if self.account else []
        options += [f"--mem={self.memory.removesuffix('B')}"] if self.memory else []
        command = ["sbatch", "--test-only", *options, "--wrap=true"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            words = " ".join(done.stderr.split())
            raise ToolError(f"SLURM refuses such a job ({' '.join(options)}): {words}.")

    def cluster(self) -> Any:
        """Return a dask-jobqueue cluster; it submits its jobs at once.

        Raises:
            ToolError: If dask-jobqueue is not installed.
        """
        try:
            from dask_jobqueue import SLURMCluster
        except ImportError as error:
            raise ToolError("--slurm needs dask-jobqueue: pip install 'vidprep[slurm]'.") from error
        cluster = SLURMCluster(
            queue=self.partition or None,
            account=self.account or None,
            walltime=self.time,
            cores=self.cores,
            processes=self.cores,
            memory=self.memory or f"{self.cores}GB",
            job_name="vidprep-build",
            job_directives_skip=[] if self.memory else ["--mem"],
            job_script_prologue=[
                *dask.config.get("jobqueue.slurm.job-script-prologue", []),
                f"export VIDPREP_JOB_END=$(( $(date +%s) + {self.lifetime_seconds} ))",
            ],
            worker_extra_args=[
                *("--memory-limit", "0"),
                *("--lifetime", f"{self.lifetime_seconds}s"),
            ],
            scheduler_options={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        )
        cluster.adapt(minimum_jobs=self.nodes, maximum_jobs=self.nodes)
        return cluster
