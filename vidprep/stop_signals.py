"""Signals that ask for a stop: SIGTERM or SIGUSR1 from a scheduler, SIGINT from Ctrl-C.

A training and a build note the signal and stop after the current step or videos; an evaluation stops at once
and loses one video; anything else is ended by KeyboardInterrupt. Python allows signal handlers in the main
thread only: in other threads the functions here do nothing.

A terminal sends SIGINT to every process of its foreground group. The program `vidprep` handles it from its
first moment on (`take_ctrl_c`); its workers are started so that they ignore it (`ignore_ctrl_c_in_children`).
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
_EXIT_CODE = 128 + signal.SIGINT
_SHOW_CURSOR = "\x1b[?25h"


class _CtrlC:
    """Whether this process is the program `vidprep`, and whether Ctrl-C was pressed."""

    is_taken = False
    was_pressed = False


class StopSignals:
    """Notes the first stop signal instead of ending the process, for the length of a `with` block.

    A second Ctrl-C stops at once: `vidprep` ends, a program that uses the library gets a KeyboardInterrupt.

    Args:
        on_first: Called with the first signal, at any point of the main thread.

    Attributes:
        received: The signal, or None.
    """

    def __init__(self, on_first: Callable[[signal.Signals], object] = lambda number: None) -> None:
        self.received: signal.Signals | None = None
        self._on_first = on_first
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = _install(self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _restore(self._before)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is signal.SIGINT and number == signal.SIGINT:
            _stop_at_once()
        if self.received is None:
            self.received = signal.Signals(number)
            self._on_first(self.received)


@contextmanager
def interrupted_by_stop_signals() -> Iterator[None]:
    """Turn stop signals into a KeyboardInterrupt with their number, during a `with` block."""
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            _stop_at_once()
        raise KeyboardInterrupt(number)

    before = _install(interrupt)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def ignore_ctrl_c_in_children() -> Iterator[None]:
    """Start processes that a Ctrl-C in the terminal does not reach: this process tells them to stop.

    They inherit the blocked signal; a Ctrl-C that comes meanwhile is delivered here at the end of the block.
    """
    from multiprocessing import resource_tracker

    # Python's resource tracker starts with the first process and unblocks the signal: so start it before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take_ctrl_c() -> None:
    """Make Ctrl-C end this program with a sentence at any moment.

    While modules are imported, no work has begun and an exception may get lost in a library's C code, so the
    program ends right there. Later, Ctrl-C is a KeyboardInterrupt; a second one ends the program.
    """
    _CtrlC.is_taken = True
    signal.signal(signal.SIGINT, _take)


def ctrl_c_was_pressed() -> bool:
    """Tell whether the handler of `take_ctrl_c` has raised a KeyboardInterrupt."""
    return _CtrlC.was_pressed


def _take(number: int, frame: FrameType | None) -> None:
    if _CtrlC.was_pressed:
        _stop_at_once()
    if _is_importing(frame):
        _end_program("Stopped by Ctrl-C before anything was begun. Run the same command again to begin.")
    _CtrlC.was_pressed = True
    raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _stop_at_once() -> None:
    if not _CtrlC.is_taken:
        raise KeyboardInterrupt
    _end_program("Stopped at once. What was finished before is kept. Run the same command again.")


def _end_program(sentence: str) -> None:
    """End this process and all its children, without waiting for anything."""
    from psutil import Error, Process

    with suppress(Error):
        for child in Process().children(recursive=True):
            with suppress(Error):
                child.kill()
    cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""  # a progress bar hides it
    with suppress(OSError):
        os.write(sys.stderr.fileno(), f"{cursor}\n{sentence}\n".encode())
    os._exit(_EXIT_CODE)


def _install(handler: Callable[[int, FrameType | None], None]) -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in STOP_SIGNALS}


def _restore(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
