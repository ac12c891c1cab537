"""A child process and its parent: suspended, killed, short of memory."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.helpers.programs.processes import command_line
from tests.helpers.sets.builds import wait_until
from vidprep.builder.transcoding.child import run_child

# Says the number of its child, and how it ended.
PARENT = """
import sys
from vidprep.builder.transcoding.child import run_child
ended = run_child(sys.argv[2:], timeout_seconds=float(sys.argv[1]), memory_mb=2048)
print(ended.returncode, ended.timed_out)
"""


def start(timeout_seconds, *command):
    """A process that runs a child, and that child."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(timeout_seconds), *command], stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: child_of(parent, command))
    return parent, child_of(parent, command)


def child_of(parent, command):
    children = psutil.Process(parent.pid).children()
    return next((child for child in children if command_line(child) == " ".join(command)), None)


def suspended(seconds, *processes):
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    time.sleep(seconds)
    for process in processes:
        os.kill(process.pid, signal.SIGCONT)


def test_a_video_that_ended_while_its_worker_was_suspended_was_in_time():
    parent, _ = start(2, "sleep", "0.5")
    suspended(3.0, parent)
    assert parent.communicate()[0].split() == ["0", "False"]


def test_time_in_which_a_worker_and_its_child_are_suspended_does_not_count():
    parent, child = start(3, "sleep", "4")  # of the kernel's clock, which does not stop
    suspended(5.0, parent, child)
    assert parent.communicate()[0].split() == ["0", "False"]


def test_time_in_which_a_child_alone_is_stopped_does_not_count():
    parent, child = start(3, "sleep", "4")
    suspended(5.0, child)
    assert parent.communicate()[0].split() == ["0", "False"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processes are bound to a core here")
def test_time_in_which_a_child_waits_for_a_core_does_not_count():
    core = min(os.sched_getaffinity(0))
    bound = f"import os, time; os.sched_setaffinity(0, {{{core}}})\n"
    others = [
        subprocess.Popen([sys.executable, "-S", "-c", f"{bound}while True: pass"], start_new_session=True)
        for _ in range(9)
    ]
    try:
        command = [sys.executable, "-S", "-c", f"{bound}while time.process_time() < 0.4: pass"]
        started = time.monotonic()
        ended = run_child(command, timeout_seconds=1.5, memory_mb=2048)
        assert time.monotonic() - started > 1.5, "no core was waited for"
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert (ended.returncode, ended.timed_out) == (0, False)


@pytest.mark.parametrize("command", [["sleep", "60"], ["sh", "-c", "while :; do :; done"]])
def test_a_child_that_takes_too_long_is_killed(command):
    ended = run_child(command, timeout_seconds=0.2, memory_mb=2048)
    assert (ended.returncode, ended.timed_out) == (-signal.SIGKILL, True)


def test_a_stopped_child_does_not_outlive_its_killed_parent():
    parent, child = start(600, "sleep", "600")
    os.kill(child.pid, signal.SIGSTOP)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not child.is_running())


def test_the_largest_address_space_is_seen():
    command = [sys.executable, "-c", "import time; x = bytearray(300 * 2**20); time.sleep(0.5)"]
    assert run_child(command, timeout_seconds=60, memory_mb=2048).peak_mb > 300


def test_the_limit_holds_from_the_first_moment():
    ended = run_child(["/bin/sh", "-c", "ulimit -v >&2"], timeout_seconds=60, memory_mb=777)
    assert ended.log.split() == [str(777 * 1024)]


def test_a_command_that_cannot_be_started_is_no_child_that_failed(tmp_path):
    with pytest.raises(OSError, match=r"nothing.*not found"):
        run_child([str(tmp_path / "nothing")], timeout_seconds=60, memory_mb=2048)
    (tmp_path / "text").write_text("")
    with pytest.raises(OSError, match=r"text: Permission denied"):
        run_child([str(tmp_path / "text")], timeout_seconds=60, memory_mb=2048)


def test_the_middle_of_a_long_log_is_left_out():
    write = "import sys; sys.stderr.write('a' * 131072 + 'b' * 100000 + 'c' * 65536)"
    log = run_child([sys.executable, "-c", write], timeout_seconds=60, memory_mb=2048).log
    assert log == "a" * 131072 + "\n" + "c" * 65536


def test_what_stands_in_the_middle_of_a_long_log_is_read():
    """Lines that differ in numbers only are of a kind, of which the first is kept."""
    write = (
        'i=0; while [ $i -lt $1 ]; do echo "[warning] $i of many, many, many lines" >&2; i=$((i+1)); done; '
    )
    script = (
        "lines() { "
        + write
        + "}; lines 5000; echo '[h264] [error] at 7' >&2; echo '[h264] [error] at 8' >&2; "
    )
    script += "head -c 5000 /dev/zero | tr '\\0' x >&2; echo ' [error] no line of its own' >&2; lines 5000"
    ended = run_child(["/bin/sh", "-c", script], timeout_seconds=60, memory_mb=2048)
    lines = ended.log.splitlines()
    assert lines.count("[h264] [error] at 7") == 1 and "[h264] [error] at 8" not in lines
    assert not any("no line of its own" in line for line in lines)
    assert lines[0].startswith("[warning] 0 of") and lines[-1].startswith("[warning] 4999 of")
    assert len(ended.log) < 300_000
