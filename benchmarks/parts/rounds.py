"""Measurements that take turns, so that other users of a machine disturb all of them alike."""

import time


def in_rounds(measures, rounds, until=None):
    """Run every measurement in turn, round after round, every other round backwards.

    Args:
        measures: Functions by name.
        rounds: How many rounds, at most.
        until: Time of `time.monotonic` after which no other round is begun.

    Returns:
        What each measurement returned in each round, by name.
    """
    found = {name: [] for name in measures}
    for number in range(rounds):
        if number and until is not None and time.monotonic() > until:
            break
        for name, measure in list(measures.items())[:: -1 if number % 2 else 1]:
            found[name].append(measure())
    return found


def ratios(some, others):
    """Return the ratio of each round."""
    return [one / other for one, other in zip(some, others, strict=True)]
