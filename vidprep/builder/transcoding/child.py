"""Run one child process that may crash, hang or eat memory, and tell how it ended."""

import contextlib
import functools
import math
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# Enough to see how a log begins and how it ends; a hostile video can make FFmpeg write without end. Of what
# lies between, the first line of each kind is kept: lines that differ in nothing but numbers are of one kind.
_LOG_HEAD_BYTES = 128 * 1024
_LOG_TAIL_BYTES = 64 * 1024
_MAX_KINDS = 1000
_MAX_LINE_BYTES = 1000
# Stored videos and logs are smaller than this, unless the source is made to do harm.
_MAX_FILE_BYTES = 4 * 2**30
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
_FIRST_LOOK_SECONDS, _MAX_LOOK_SECONDS = 0.02, 1.0
# Becomes the command when it reads a line, so that the limits hold from the command's first moment.
_GATE = 'read -r _ && exec "$@" </dev/null'
_GATE_NAME = "vidprep-gate"  # how the shell's own complaints begin
_NO_MEMORY = "Cannot allocate memory"
# Reads a line and ends, or, if there never comes one because its parent was killed, kills a process group.
_REAPER = 'read -r _ || kill -s KILL -- "-$0"'


@dataclass(frozen=True)
class Ended:
    """How a child process ended.

    Attributes:
        returncode: As `subprocess` gives it: negative for a signal.
        log: What it wrote to its standard error; the middle of a very long log has one line of each kind.
        timed_out: Whether it was killed for taking too long.
        peak_mb: The largest address space that was measured, in MiB; 0 if none could be.
    """

    returncode: int
    log: str
    timed_out: bool = False
    peak_mb: int = 0


def run_child(command: list[str], *, timeout_seconds: float, memory_mb: int) -> Ended:
    """Run a command to its end, within limits.

    The child has a session of its own: Ctrl-C in a terminal does not reach it, so a build that stops
    can finish the video in hand instead of rejecting it. If this process is killed, so is the child.

    Args:
        timeout_seconds: The child is killed after that many seconds. Not counted is the time in which it
            waits for a core or is stopped, or in which this process is suspended (by a batch system, say).
        memory_mb: Limit of its address space in MiB (Linux only).

    Raises:
        OSError: If the command cannot be started.
    """
    with tempfile.TemporaryFile() as log:
        child = _start_behind_gate(command, log)
        watch = _Watch(child.pid, timeout_seconds)
        try:
            _limit(child.pid, memory_mb=memory_mb, cpu_seconds=4 * math.ceil(timeout_seconds))
            with _reaper(child.pid), watch:
                _open_gate(child)
                _wait_without_reaping(child)
            returncode = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
        said = _read_ends(log)
    if said.startswith(f"{_GATE_NAME}: ") and _NO_MEMORY not in said:
        raise OSError(said.removeprefix(f"{_GATE_NAME}: ").strip())
    # A child that ended well was in time, even if the clock says otherwise after the machine was suspended.
    return Ended(returncode, said, watch.killed and returncode != 0, watch.peak_mb)


def _start_behind_gate(command: list[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a shell that waits to become the command; in an image without a shell, the command itself."""
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": log}
    common: dict[str, Any] = {"env": _environment(), "start_new_session": True, **streams}
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", _GATE, _GATE_NAME, *command], stdin=subprocess.PIPE, **common
        )
    except FileNotFoundError:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, **common)


def _open_gate(child: "subprocess.Popen[bytes]") -> None:
    if child.stdin:
        with contextlib.suppress(BrokenPipeError):  # killed from outside before it began
            child.stdin.write(b"\n")
            child.stdin.close()


class _Watch:
    """A thread that kills a process after some seconds, and measures its memory meanwhile.

    Args:
        pid: The process; it must not be reaped meanwhile, so that no other process gets its number.
        timeout_seconds: Added up at each look at the process. If a look comes late, because this process was
            suspended, only twice the planned interval counts. If the process is running, or waiting for a
            core, only the time counts in which it had a core since the look before.
    """

    # A thread, not wait(timeout): that one polls, and costs a short video a quarter of its time.
    def __init__(self, pid: int, timeout_seconds: float) -> None:
        self.killed = False
        self.peak_mb = 0
        self._pid = pid
        self._left = timeout_seconds
        self._cpu_seconds = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="vidprep-watch", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look_on(self) -> None:
        step = _FIRST_LOOK_SECONDS
        while not self._waited(min(step, max(self._left, _FIRST_LOOK_SECONDS))):
            self.peak_mb = max(self.peak_mb, _peak_mb(self._pid))
            if self._left <= 0:
                self.killed = True
                os.kill(self._pid, signal.SIGKILL)  # it also ends a stopped process
                return
            step = min(2 * step, _MAX_LOOK_SECONDS)

    def _waited(self, seconds: float) -> bool:
        start = time.monotonic()
        ended = self._ended.wait(seconds)
        self._left -= self._counted(min(time.monotonic() - start, 2 * seconds))
        return ended

    def _counted(self, passed: float) -> float:
        """Return how many of the seconds since the last look count."""
        states, before = _states(self._pid), self._cpu_seconds
        self._cpu_seconds = _cpu_seconds(self._pid)
        if states & {b"T", b"t"}:  # it was stopped, as with SIGSTOP
            return 0.0
        return min(passed, self._cpu_seconds - before) if b"R" in states else passed


@contextlib.contextmanager
def _reaper(pid: int) -> Iterator[None]:
    """Keep a shell that kills the child's process group if this process is killed before the block ends.

    The death signal of Linux would come when the thread ends that started the child, not the process; and
    a child that is stopped does not notice anything by itself.
    """
    try:
        reaper = subprocess.Popen(
            ["/bin/sh", "-c", _REAPER, str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except FileNotFoundError:  # an image without a shell: RLIMIT_CPU ends a child that is not stopped
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):
            reaper.communicate(b"\n")


def _wait_without_reaping(child: "subprocess.Popen[bytes]") -> None:
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    else:  # macOS before Python 3.13
        child.wait()


def _peak_mb(pid: int) -> int:
    """Return the largest address space that a process has had, in MiB; 0 if the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0
    _, found, rest = status.partition(b"VmPeak:")
    return int(rest.split()[0]) >> 10 if found else 0


def _states(pid: int) -> set[bytes]:
    """Return the states of a process's threads, as letters of proc(5); empty if the system does not tell."""
    found = set()
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # that thread has ended
            found.add(_stat_fields(path)[0])
    return found


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, all of its threads together; 0 if the system does not tell."""
    try:
        fields = _stat_fields(Path(f"/proc/{pid}/stat"))
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stat_fields(path: Path) -> list[bytes]:
    """Return the fields of proc(5)'s `stat` from the third on; before them is a name that may hold blanks."""
    return path.read_bytes().rpartition(b")")[2].split()


@functools.cache
def _environment() -> dict[str, str]:
    """Return FFmpeg's environment: without variables that change its log or its output."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES}
    # One arena per thread would count against memory_mb.
    return kept | {"LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1", "MALLOC_ARENA_MAX": "2"}


def _limit(pid: int, *, memory_mb: int, cpu_seconds: int) -> None:
    # From outside, because a preexec_fn may deadlock in a process with threads, as a Dask worker is.
    if not hasattr(resource, "prlimit"):
        return
    limits = {
        resource.RLIMIT_AS: memory_mb * 2**20,
        resource.RLIMIT_CPU: cpu_seconds,
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
    tail_start = max(_LOG_HEAD_BYTES, size - _LOG_TAIL_BYTES)
    if tail_start > _LOG_HEAD_BYTES:
        log.seek(data.rfind(b"\n") + 1 or _LOG_HEAD_BYTES)  # the line that is cut here is read once more
        data += b"\n" + b"".join(_kinds_of_lines(log, tail_start))
        log.seek(tail_start)
    return (data + log.read()).decode("utf-8", errors="replace")


def _kinds_of_lines(log: IO[bytes], stop: int) -> Iterator[bytes]:
    """Yield the first line of each kind that begins before `stop`."""
    seen: set[bytes] = set()
    begins = log.tell() != _LOG_HEAD_BYTES  # else in the middle of a line
    while log.tell() < stop and (line := log.readline(_MAX_LINE_BYTES)):
        kind, ends = line.translate(None, b"0123456789"), line.endswith(b"\n")
        if begins and kind not in seen and len(seen) < _MAX_KINDS:
            seen.add(kind)
            yield line if ends else line + b"\n"
        begins = ends
