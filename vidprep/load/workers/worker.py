"""A worker process: takes jobs from a connection, reads ahead, decodes one after another.

Started as `python -m vidprep.load.workers.worker CONNECTION MEMORY` (two descriptors), not by fork, which
breaks threads, nor by multiprocessing's spawn, which would run the user's script a second time.
"""

import os
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue

from vidprep.errors import VidprepError
from vidprep.load.workers.jobs import Job, ReadVideo, Work, WorkConfig
from vidprep.load.workers.ring import map_ring


def run(connection: "Connection[object, object]", memory: int) -> None:
    """Do the jobs that come through `connection`, until the loader closes it; `memory` holds the ring."""
    config = connection.recv()
    assert isinstance(config, WorkConfig)
    try:
        work = Work(config, map_ring(memory, config.ring))
    except (VidprepError, ValueError) as error:
        _send(connection, error)
        return
    jobs: SimpleQueue[Job] = SimpleQueue()
    threading.Thread(target=_take_in, args=(connection, jobs), daemon=True).start()
    with ThreadPoolExecutor(config.read_ahead) as readers:
        ahead: deque[tuple[Job, Future[ReadVideo]]] = deque()
        while True:
            while not ahead or (len(ahead) < config.read_ahead and not jobs.empty()):
                job = jobs.get()
                ahead.append((job, readers.submit(work.read, job)))
            job, video = ahead.popleft()
            _send(connection, work.decode(job, video.result()))


def _send(connection: "Connection[object, object]", result: object) -> None:
    """Send a result; end the process without a word when the loader is gone."""
    try:
        connection.send(result)
    except OSError:
        os._exit(0)


def _take_in(connection: "Connection[object, object]", jobs: "SimpleQueue[Job]") -> None:
    """Take jobs without ever making the loader wait; end the process when the loader is gone."""
    try:
        while True:
            job = connection.recv()
            assert isinstance(job, Job)
            jobs.put(job)
    except (EOFError, OSError):
        os._exit(0)  # at once, also while other threads read or decode


if __name__ == "__main__":
    run(Connection(int(sys.argv[1])), int(sys.argv[2]))
