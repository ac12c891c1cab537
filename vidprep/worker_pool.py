"""A function of each of many items, in several processes, which a Ctrl-C in the terminal does not reach."""

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

    A caller that stops early, by Ctrl-C or otherwise, waits only for the items that are being worked on.

    Args:
        function: Must be picklable.
        items: The items.
        num_workers: Number of processes; None: one per core.
    """
    pool = ProcessPoolExecutor(num_workers or num_cores(), mp_context=get_context("spawn"))
    try:
        with ignore_ctrl_c_in_children():  # they start with the first items
            results = pool.map(function, items)
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)
