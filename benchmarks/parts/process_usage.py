"""What a process and its children have used, as the kernel counts it."""

import resource


def cpu_seconds():
    """Return the CPU seconds of this process and of its children that have ended."""
    return _cpu_seconds(resource.RUSAGE_SELF) + cpu_seconds_of_children()


def cpu_seconds_of_children():
    """Return the CPU seconds of this process's children that have ended, and of theirs."""
    return _cpu_seconds(resource.RUSAGE_CHILDREN)


def peak_mib():
    """Return the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _cpu_seconds(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime
