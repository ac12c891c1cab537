"""Which processes a test has started."""

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
