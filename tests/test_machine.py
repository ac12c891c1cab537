"""What containers leave of a machine, from control group files as Docker, Kubernetes and Slurm make them."""

import ast
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import vidprep
from vidprep.machine import available_memory, num_cores

GIB = 2**30


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def v2(group="", **files):
    base = f"sys/fs/cgroup{group}/"
    return {"proc/self/cgroup": f"0::{group or '/'}"} | {
        base + name.replace("_", ".", 1): text for name, text in files.items()
    }


@pytest.fixture
def large_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    memory = psutil.virtual_memory()._replace(available=100 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


@pytest.mark.usefixtures("large_machine")
@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 64),
        (v2(cpu_max="max 100000"), 64),
        (v2(cpu_max="400000 100000"), 4),
        (v2(cpu_max="150000 100000"), 2),
        (v2(cpu_max="10000 100000"), 1),
        (v2("/slurm/job", cpu_max="max 100000") | {"sys/fs/cgroup/slurm/cpu.max": "300000 100000"}, 3),
        # A container that sees the host's path: its own limits are at the top.
        ({"proc/self/cgroup": "0::/docker/1234", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/12\n4:memory:/docker/12",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "600000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            6,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            64,
        ),
    ],
)
def test_cores(tmp_path, files, cores):
    assert num_cores(write(tmp_path, files)) == cores


STAT = "anon 1000\ninactive_file {}\nactive_file 77"


@pytest.mark.usefixtures("large_machine")
@pytest.mark.parametrize(
    ("files", "available"),
    [
        ({}, 100 * GIB),
        (v2(memory_max="max", memory_current="5"), 100 * GIB),
        # 7 of 8 GiB are used, 6 of them by shards that were read: they make room when somebody needs it.
        (v2(memory_max=f"{8 * GIB}", memory_current=f"{7 * GIB}", memory_stat=STAT.format(6 * GIB)), 7 * GIB),
        (v2(memory_max=f"{8 * GIB}", memory_current=f"{7 * GIB}"), GIB),
        (v2(memory_max=f"{8 * GIB}", memory_current=f"{9 * GIB}"), 0),
        (v2(memory_max=f"{800 * GIB}", memory_current="0"), 100 * GIB),
        (
            v2("/slurm/job", memory_max="max", memory_current="0")
            | {"sys/fs/cgroup/slurm/memory.max": f"{3 * GIB}", "sys/fs/cgroup/slurm/memory.current": "0"},
            3 * GIB,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/12\n1:name=systemd:/docker/12",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{8 * GIB}",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{7 * GIB}",
                "sys/fs/cgroup/memory/memory.stat": f"inactive_file 5\ntotal_inactive_file {4 * GIB}",
            },
            5 * GIB,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{7 * GIB}",
            },
            100 * GIB,
        ),
    ],
)
def test_memory(tmp_path, files, available):
    assert available_memory(write(tmp_path, files)) == available


def test_a_real_control_group():
    """A process in a group with limits, where whoever runs the tests may make one."""
    groups = [Path(f"/sys/fs/cgroup/{part}vidprep-{os.getpid()}") for part in ("", "cpu/", "memory/")]
    settings = {"cpu.max": "100000 100000", "cpu.cfs_quota_us": "100000"}
    settings |= {"memory.max": f"{GIB}", "memory.limit_in_bytes": f"{GIB}"}
    made, limited = [], set()
    try:
        for group in groups:
            with contextlib.suppress(OSError):
                group.mkdir()
                made.append(group)
            if not (group / "cgroup.procs").exists():  # the root of version 1 holds no groups
                continue
            for name, value in settings.items():
                with contextlib.suppress(OSError):
                    if (group / name).exists():
                        (group / name).write_text(value)
                        limited.add(name.split(".")[0])
        if limited != {"cpu", "memory"}:
            pytest.skip("needs the right to make control groups with limits")
        enter = "".join(
            f"[ ! -e {group}/cgroup.procs ] || echo $$ > {group}/cgroup.procs; " for group in made
        )
        look = "from vidprep.machine import *; print(num_cores(), available_memory())"
        command = ["sh", "-c", f'{enter} exec "$0" -c "$1"', sys.executable, look]
        cores, memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    finally:
        for group in made:
            group.rmdir()
    assert cores == "1" and 0.5 * GIB < int(memory) < GIB


def test_nothing_counts_cores_by_itself():
    """What does would start a thread for each core of a host that lends a container two of them."""
    paths = [path for path in Path(vidprep.__file__).parent.rglob("*.py") if path.name != "machine.py"]
    assert len(paths) > 200
    counted = {path.name for path in paths if "cpu_count" in path.read_text()}
    pools = [
        node
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("PoolExecutor")
    ]
    assert not counted and len(pools) >= 7
    assert all(pool.args or any(one.arg == "max_workers" for one in pool.keywords) for pool in pools)


def test_this_machine():
    assert 1 <= num_cores() <= os.cpu_count()
    assert 0 < available_memory() <= psutil.virtual_memory().total
