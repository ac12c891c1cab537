"""Which processes a test has started, and how they end."""

import contextlib

import psutil


def children_with(word, *, pid=None, recursive=False):
    """Return the living children of a process (this one) that have `word` in their command line.

    A child that ends while it is looked at, or has ended and was not waited for, is left out.
    """
    children = psutil.Process(pid).children(recursive=recursive)
    return [child for child in children if word in command_line(child)]


def command_line(process):
    """Return the words of a process's command in one line; nothing once it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # psutil.ZombieProcess is one of them
        return ""


def kill_family(process, seconds=240):
    """Kill a `subprocess.Popen` and all below it, and wait; some of them may have ended by themselves."""
    for member in [*psutil.Process(process.pid).children(recursive=True), process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.communicate(timeout=seconds)
