"""The program run in the test's own process: the same arguments, messages and exit code, without a start."""

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from unittest.mock import patch

from vidprep.cli.main import main


def run_here(*arguments) -> subprocess.CompletedProcess:
    """Run `vidprep ARGUMENTS` in this process; returns what `subprocess.run` would.

    For what needs no process of its own: not for signals, kills, limits, ranks or Dask workers.
    """
    words = ["vidprep", *map(str, arguments)]
    stdout, stderr = io.StringIO(), io.StringIO()
    code = 0
    with (
        patch.object(sys, "argv", words),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        _warnings_shown(),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(words, code, stdout.getvalue(), stderr.getvalue())


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Log warnings to standard error, as Python does where nothing listens; a test's process listens."""
    logger, handler = logging.getLogger("vidprep"), logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    level = logger.level
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
