"""Temporary folders of the videos being transcoded, named after the process that they belong to."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

_PREFIX = "vidprep-"


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a new folder of this process."""
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")


def remove_abandoned_scratch() -> None:
    """Remove the folders of processes of this machine that were killed and could not do so themselves."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
