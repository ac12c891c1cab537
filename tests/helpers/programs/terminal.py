"""A program in a real terminal: Ctrl-C reaches its whole process group, as it does for a person."""

import contextlib
import os
import re
import signal
import sys
import time

import pexpect
import psutil

from tests.helpers.sets.builds import wait_until


class Terminal:
    """A vidprep command in a pseudo-terminal of its own.

    Attributes:
        text: What it has written so far.
    """

    def __init__(self, *arguments, cwd=None, env=None):
        words = ["-m", "vidprep", *map(str, arguments)]
        self.text = ""
        self._child = pexpect.spawn(
            sys.executable, words, cwd=cwd, env=os.environ | (env or {}), encoding="utf-8",
            codec_errors="replace", dimensions=(40, 200),
        )  # fmt: skip
        self._family = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._remember_family()
        for process in self._family.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._child.close(force=True)

    def wait_until(self, condition, seconds=240):
        """Read what is written, as a terminal does, until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain: {self.text[-2000:]}"
            assert self._read(), f"ended before that: {self.text[-2000:]}"

    def wait_for(self, words):
        self.wait_until(lambda: words in self.text)

    def press_ctrl_c(self):
        self._remember_family()
        self._child.sendintr()

    def read_to_end(self, seconds=240):
        """Return all that was written and the exit code, when nobody of the family is left."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, f"does not end: {self.text[-2000:]}"
        self._child.wait()
        wait_until(lambda: not any(process.is_running() for process in self._family.values()), seconds=60)
        return self.text, self._child.exitstatus

    def _read(self):
        try:
            self.text += self._child.read_nonblocking(2**16, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True

    def _remember_family(self):
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._child.pid).children(recursive=True):
                self._family[process.pid] = process


NOISE = re.compile(r"Traceback|KeyboardInterrupt|distributed\.|Aborted")


def check_stopped(text, code, words):
    """Check that Ctrl-C ended a program with a sentence that holds `words`, and with nothing else."""
    assert re.search(words, text), text
    assert not NOISE.search(text), text
    assert code == 128 + signal.SIGINT, text
