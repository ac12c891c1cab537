"""Engines run jobs: in this process, or in worker processes that write into the same ring."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

import numpy as np
import torch

from vidprep.errors import LoaderError
from vidprep.load.cache import is_fetching
from vidprep.load.decoding.pixels import Uint8s
from vidprep.load.options import LoaderOptions
from vidprep.load.workers.environment import worker_environment
from vidprep.load.workers.jobs import Done, Job, Work, WorkConfig
from vidprep.load.workers.ring import map_ring, open_memory

_SECONDS_TO_LEAVE = 5.0
_CLOSED = "The loader was closed in the middle of an iteration over it. Begin another one."
# Ctrl-C and a scheduler's request to stop reach the whole process group. The caller handles them and needs
# its workers until it has finished its step; they end when their connection is closed.
_BLOCKED_IN_WORKERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Engine(Protocol):
    """Takes jobs and returns their results in any order.

    Attributes:
        ring: The slots that jobs are decoded into.
    """

    ring: Uint8s

    def submit(self, job: Job) -> None:
        """Queue a job."""

    def next_done(self) -> Done:
        """Return the next finished job; waits for it.

        Raises:
            LoaderError: If a worker died or none of them answers any more, or the loader was closed.
        """

    def close(self) -> None:
        """End the workers and drop the jobs that are not done."""


class InlineEngine:
    """Works in the calling thread, when a result is asked for: for debugging and small data."""

    def __init__(self, config: WorkConfig) -> None:
        shape = config.ring
        self.ring = np.empty((shape.num_slots, shape.num_views, shape.clip_len, *shape.frame), np.uint8)
        self._work = Work(config, self.ring)
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Queue a job; see `Engine`."""
        self._jobs.append(job)

    def next_done(self) -> Done:
        """Do the oldest job; see `Engine`."""
        if not self._jobs:
            raise LoaderError(_CLOSED)
        job = self._jobs.popleft()
        return self._work.decode(job, self._work.read(job))

    def close(self) -> None:
        """Forget the jobs."""
        self._jobs.clear()


@dataclass
class _Worker:
    """A worker process and the jobs it was given, in the order in which it does them."""

    number: int
    process: "subprocess.Popen[bytes]"
    connection: "Connection[object, object]"
    jobs: deque[Job] = field(default_factory=deque)

    def describe(self) -> str:
        name = f"loader worker {self.number} (process {self.process.pid})"
        return f"{name} at {self.jobs[0].video.key} in {self.jobs[0].video.shard}" if self.jobs else name


class ProcessEngine:
    """Works in processes of its own.

    Two processes decode more than two threads of one process, which take the interpreter lock from each
    other about 100 times a clip (`benchmarks/loader.py engine` measures it).

    Args:
        config: Settings of every worker.
        num_workers: Processes; each decodes in one thread.
        timeout_seconds: How long to wait for a message from any worker before the loader gives up. While a
            process of the node fetches a shard into the cache, it waits on: the requests have a limit.
    """

    def __init__(self, config: WorkConfig, *, num_workers: int, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._cache_dir = config.cache.directory if config.cache else None
        self._done: deque[Done] = deque()
        self._workers: list[_Worker] = []
        memory = open_memory(config.ring.size_bytes)
        try:
            self.ring = map_ring(memory, config.ring)
            for number in range(num_workers):
                self._workers.append(_start_worker(number, config, memory))
        except BaseException:
            self.close()
            raise
        finally:
            os.close(memory)

    def submit(self, job: Job) -> None:
        """Give a job to the worker with the fewest; see `Engine`."""
        if not self._workers:
            raise LoaderError(_CLOSED)
        worker = min(self._workers, key=lambda worker: len(worker.jobs))
        worker.jobs.append(job)
        try:
            worker.connection.send(job)
        except OSError as error:
            raise self._exit_error(worker) from error

    def next_done(self) -> Done:
        """Wait for a worker; see `Engine`."""
        while not self._done:
            if not self._workers:
                raise LoaderError(_CLOSED)
            self._receive()
        return self._done.popleft()

    def _receive(self) -> None:
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in self._wait_for_any(list(by_connection)):
            worker = by_connection[connection]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError) as error:
                raise self._exit_error(worker) from error
            if isinstance(message, Exception):
                raise message
            assert isinstance(message, Done)
            worker.jobs.popleft()
            self._done.append(message)

    def _wait_for_any(self, connections: "list[Connection[object, object]]") -> Iterator[Any]:
        """Yield those with a message, or raise when the time is over.

        Time in which a process of the node fetches shards into the cache does not count.
        """
        quarters = 0
        while quarters < 4:
            if ready := wait(connections, timeout=self._timeout_seconds / 4):
                yield from ready
                return
            fetching = self._cache_dir is not None and is_fetching(self._cache_dir)
            quarters = 0 if fetching else quarters + 1
        raise self._timeout_error()

    def _exit_error(self, worker: _Worker) -> LoaderError:
        try:
            code = worker.process.wait(_SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            return LoaderError(f"A worker closed its connection: {worker.describe()}.")
        if code >= 0:
            return LoaderError(
                f"A worker ended with exit code {code}: {worker.describe()}. Its message is above."
            )
        message = f"A worker was killed by {signal.Signals(-code).name}: {worker.describe()}."
        if -code == signal.SIGKILL:
            message += " The system does so when memory runs out: use fewer workers or a smaller batch_size."
        return LoaderError(message)

    def _timeout_error(self) -> LoaderError:
        busy = [worker.describe() for worker in self._workers if worker.jobs]
        return LoaderError(
            f"No clip for {self._timeout_seconds:.0f} s from {', '.join(busy)}. "
            "If the storage is that slow, raise LoaderOptions.timeout_seconds."
        )

    def close(self) -> None:
        """End the workers, also in the middle of a job; see `Engine`."""
        for worker in self._workers:
            worker.connection.close()  # they end themselves when they see this
        deadline = time.monotonic() + _SECONDS_TO_LEAVE
        for worker in self._workers:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._workers = []


def _start_worker(number: int, config: WorkConfig, memory: int) -> _Worker:
    ours, theirs = socket.socketpair()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED_IN_WORKERS)  # a child inherits it
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "vidprep.load.workers.worker", str(theirs.fileno()), str(memory)],
            pass_fds=(theirs.fileno(), memory),
            stdin=subprocess.DEVNULL,
            env=worker_environment(),
        )
    finally:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    connection: Connection[object, object] = Connection(ours.detach())
    connection.send(config)
    return _Worker(number, process, connection)


@contextmanager
def running_engine(config: WorkConfig, options: LoaderOptions) -> Iterator[Engine]:
    """Run workers for the length of a `with` block; at its end processes and memory are gone.

    Raises:
        LoaderError: If there is no memory for the batches.
        ToolError: If the decoder backend is not installed.
        ValueError: If memory is to be pinned without a GPU.
    """
    if options.pin_memory and not torch.cuda.is_available():
        raise ValueError("pin_memory needs a GPU, and PyTorch sees none. Leave it out.")
    workers = options.workers()
    engine: Engine
    if workers:
        engine = ProcessEngine(config, num_workers=workers, timeout_seconds=options.timeout_seconds)
    else:
        engine = InlineEngine(config)
    try:
        with _pinned(engine) if options.pin_memory else nullcontext():
            yield engine
    finally:
        engine.close()


@contextmanager
def _pinned(engine: Engine) -> Iterator[None]:
    """Lock the ring into memory, so that the GPU's copy engine reads it beside other work."""
    address, runtime = engine.ring.ctypes.data, torch.cuda.cudart()  # type: ignore[no-untyped-call]
    torch.cuda.check_error(int(runtime.cudaHostRegister(address, engine.ring.nbytes, 0)))
    try:
        yield
    finally:
        runtime.cudaHostUnregister(address)
