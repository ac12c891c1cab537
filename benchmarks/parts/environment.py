"""What a benchmark ran on, for the head of its section."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("vidprep", "av", "numpy", "torch", "dask", "imageio-ffmpeg")
PEERS = ("webdataset", "torchcodec", "spdl_io", "decord", "simplejpeg")


def machine():
    """What this ran on, in one line."""
    model = next(
        (line.split(":")[1].strip() for line in cpu_lines() if line.startswith("model name")),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return f"{len(os.sched_getaffinity(0))} cores of {model}, load {load:.1f} at the start"


def cpu_lines():
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def versions():
    """Of Python and of the packages that are installed, in one line."""
    found = []
    for name in (*PACKAGES, *PEERS):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"Python {platform.python_version()}, " + ", ".join(found)
