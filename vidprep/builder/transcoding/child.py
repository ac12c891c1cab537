"""Run one child process that may crash, hang or eat memory, and tell how it ended."""

import contextlib
import functools
import math
import os
import resource
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import IO

# Enough to see how a log begins and how it ends; a hostile video can make FFmpeg write without end.
_LOG_HEAD_BYTES = 128 * 1024
_LOG_TAIL_BYTES = 64 * 1024
# No stored video and no log is as large, unless somebody means harm.
_MAX_FILE_BYTES = 4 * 2**30
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Ended:
    """How a child process ended.

    Attributes:
        returncode: As `subprocess` gives it: negative for a signal.
        log: What it wrote to its standard error; the middle of a very long log is left out.
        timed_out: Whether it was killed for taking too long.
    """

    returncode: int
    log: str
    timed_out: bool = False


def run_child(command: list[str], *, timeout_seconds: float, memory_mb: int) -> Ended:
    """Run a command to its end, within limits.

    The child has a session of its own: Ctrl-C in a terminal does not reach it, so a build that stops
    can finish the video in hand instead of rejecting it.

    Args:
        timeout_seconds: Wall-clock limit; the child is killed when it is over.
        memory_mb: Limit of its address space in MiB (Linux only).
    """
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )
        # A timer, not wait(timeout): that one polls, and costs a short video a quarter of its time.
        too_late = threading.Event()
        timer = threading.Timer(timeout_seconds, _kill, [child, too_late])
        timer.start()
        try:
            _limit(child.pid, memory_mb=memory_mb, cpu_seconds=4 * math.ceil(timeout_seconds))
            returncode = child.wait()
            return Ended(returncode, _read_ends(log), timed_out=too_late.is_set())
        except BaseException:
            child.kill()
            child.wait()
            raise
        finally:
            timer.cancel()


def _kill(child: subprocess.Popen[bytes], too_late: threading.Event) -> None:
    too_late.set()
    child.kill()  # SIGKILL: it also ends a stopped process


@functools.cache
def _environment() -> dict[str, str]:
    """Return what FFmpeg may know of the user's settings: nothing that changes its log or its output."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES}
    # An arena a thread would count against memory_mb.
    return kept | {"LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1", "MALLOC_ARENA_MAX": "2"}


def _limit(pid: int, *, memory_mb: int, cpu_seconds: int) -> None:
    # From outside, because a preexec_fn may deadlock in a process with threads, as a Dask worker is.
    if not hasattr(resource, "prlimit"):
        return
    limits = {
        resource.RLIMIT_AS: memory_mb * 2**20,
        resource.RLIMIT_CPU: cpu_seconds,  # ends a child whose parent was killed, and its timer with it
        resource.RLIMIT_FSIZE: _MAX_FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for name, limit in limits.items():
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            _, hard = resource.prlimit(pid, name)
            allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.prlimit(pid, name, (allowed, allowed))


def _read_ends(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(0)
    data = log.read(_LOG_HEAD_BYTES)
    if size > _LOG_HEAD_BYTES:
        tail_start = max(_LOG_HEAD_BYTES, size - _LOG_TAIL_BYTES)
        log.seek(tail_start)
        data += b"\n" * (tail_start > _LOG_HEAD_BYTES) + log.read()
    return data.decode("utf-8", errors="replace")
