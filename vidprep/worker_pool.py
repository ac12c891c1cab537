"""A function of each item, in processes of this machine that know nothing of a Ctrl-C in the terminal."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from vidprep.machine import num_cores
from vidprep.stop_signals import ignore_ctrl_c_in_children

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], num_workers: int | None
) -> Iterator[Result]:
    """Yield the function's value for each item, in order.

    Whoever stops early, by Ctrl-C or otherwise, waits for the items in hand only.

    Args:
        num_workers: Processes; None: one per core.
    """
    pool = ProcessPoolExecutor(num_workers or num_cores(), mp_context=get_context("spawn"))
    try:
        with ignore_ctrl_c_in_children():  # they start with the first items
            results = pool.map(function, items)
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)
