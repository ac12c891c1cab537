"""What holds for all tests: the same random examples each time, nothing left behind, no state passed on."""

import os
import random
import sys
import threading
import time

if "PYTEST_XDIST_WORKER" in os.environ:  # one core for each of several test processes
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
import pytest
from hypothesis import settings

# A deadline measures the machine, not the code. `make fuzz` searches at random, see the Makefile.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("search", derandomize=False, deadline=None, database=None, max_examples=300)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

_END_SECONDS = 30.0
# A request to a server that lives for several tests.
_OF_A_SERVER = "process_request_thread"
# Helpers that multiprocessing starts once and keeps.
_KEPT_PROCESSES = ("resource_tracker", "forkserver")
# Threads that libraries keep for good once they were used, by the beginning of their names.
_KEPT_THREADS = (
    *("fsspecIO", "asyncio_", "gcsfs", "Dask", "IO loop", "Profile", "ThreadPoolExecutor", "execnet"),
)

_SLOW_SECONDS = 900  # for a slow test on a busy machine, where it does not say otherwise


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SLOW_SECONDS))


@pytest.fixture(autouse=True)
def nothing_left_behind(request):
    """Fail the test that leaves a thread or a process, not the one that trips over it."""
    threads, children = set(threading.enumerate()), _children()
    yield
    left = _left(threads, children)
    deadline = time.monotonic() + _END_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = _left(threads, children)
    assert not left, f"left behind: {left}"


def _children():
    return {process.pid for process in psutil.Process().children()}


def _left(threads, children):
    names = [thread.name for thread in threading.enumerate() if thread not in threads]
    new_threads = [name for name in names if not name.startswith(_KEPT_THREADS) and _OF_A_SERVER not in name]
    new_children = [p for p in psutil.Process().children() if p.pid not in children and _is_ours(p)]
    return new_threads + new_children


def _is_ours(process):
    try:
        is_kept = any(name in word for word in process.cmdline() for name in _KEPT_PROCESSES)
        return process.status() != psutil.STATUS_ZOMBIE and not is_kept
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory):
    """Keep what commands remember out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def random_state_is_restored():
    """Draws of one test do not change those of the next, whatever the order."""
    torch = sys.modules.get("torch")
    before = random.getstate(), np.random.get_state(), torch.random.get_rng_state() if torch else None
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])
    if before[2] is not None:
        torch.random.set_rng_state(before[2])


@pytest.fixture
def memory_store():
    """The file system of `memory://`; empty before and after."""
    import fsspec

    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket of an S3 server on this machine, through its file system: `s3://bucket`."""
    from tests.helpers.stores.bucket import s3_store  # skips the test where moto is not installed

    with s3_store(monkeypatch, "bucket") as filesystem:
        yield filesystem
