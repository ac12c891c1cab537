"""Rank and world size of this process, and the cores and the memory that it may use.

A container's limits count, too: those of the process's control group (version 1 or 2) and of every group
around it.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def rank_and_world_size() -> tuple[int, int]:
    """Return rank and world size as torchrun sets them in the environment; (0, 1) without torchrun."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def num_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use; a container's quota of 1.5 cores counts as 2.

    Args:
        root: Where /proc and /sys are found.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _groups(root, "cpu") if (quota := _quota(group)) is not None]
    return max(1, min([cores, *map(math.ceil, quotas)]))


def available_memory(root: Path = _ROOT) -> int:
    """Return how many bytes of memory this process can still use.

    File contents that the system keeps in memory and can drop at any time count as free.

    Args:
        root: Where /proc and /sys are found.
    """
    import psutil

    rooms = [room for group in _groups(root, "memory") if (room := _room(group)) is not None]
    return max(0, min([int(psutil.virtual_memory().available), *rooms]))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups that may limit what `controller` hands out."""
    mount = root / "sys/fs/cgroup"
    lines = (_text(root / "proc/self/cgroup") or "0::/").splitlines()
    for line in lines:
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            top = mount
        elif controller in controllers.split(","):
            # Both names are in use: /sys/fs/cgroup/cpu,cpuacct, with a link /sys/fs/cgroup/cpu to it.
            top = mount / controller
        else:
            continue
        inner = top / place.strip("/")
        # In a container the path may be the host's, which does not exist here; its limits are at the top.
        yield from (group for group in (inner, *inner.parents) if group.is_relative_to(top))


def _quota(group: Path) -> float | None:
    """Return the cores that a control group grants, or None if it sets no limit."""
    if (text := _text(group / "cpu.max")) is not None:
        quota, _, period = text.partition(" ")
        return int(quota) / int(period or 100_000) if quota != "max" else None
    quota, period = _text(group / "cpu.cfs_quota_us") or "-1", _text(group / "cpu.cfs_period_us") or "100000"
    return int(quota) / int(period) if int(quota) > 0 else None


def _room(group: Path) -> int | None:
    """Return the bytes that a control group has left, or None if it sets no limit."""
    for limit_name, used_name, droppable_name in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, used = _text(group / limit_name), _text(group / used_name)
        if limit is None or used is None or limit == "max":
            continue
        stat = dict(line.split(" ", 1) for line in (_text(group / "memory.stat") or "").splitlines())
        return max(0, int(limit) - int(used) + int(stat.get(droppable_name, 0)))
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
