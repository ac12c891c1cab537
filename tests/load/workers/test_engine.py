"""Workers that die, hang or are left behind; memory that is not there."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.helpers.programs.processes import children_with
from vidprep.errors import LoaderError
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.load import options as options_module
from vidprep.load.workers import engine as engine_module
from vidprep.load.workers import ring as ring_module
from vidprep.recipes.recipe import TrainClip

CLIP = TrainClip(clip_len=8)


def loader(shards, **options):
    return ClipLoader(
        shards, "train", clip=CLIP, batch_size=2, options=LoaderOptions(**({"num_workers": 2} | options))
    )


def workers():
    return children_with("vidprep.load.workers.worker")


def batch_memory():
    """The memory of batches that this process holds or maps: each descriptor, each range of addresses."""
    held = [f"{path} {os.path.realpath(path)}" for path in Path("/proc/self/fd").iterdir()]
    mapped = Path("/proc/self/maps").read_text().splitlines()
    return {name for name in (*held, *mapped) if "vidprep-batches" in name}


def gone(processes, seconds=60.0):
    return not psutil.wait_procs(processes, timeout=seconds)[1]


def test_a_killed_worker_is_named(shards):
    batches = iter(loader(shards))
    next(batches)
    for worker in workers():
        worker.send_signal(signal.SIGKILL)
    place = r"( at train-v\d+ in train/\S+)?"
    message = rf"A worker was killed by SIGKILL: loader worker \d \(process \d+\){place}\. The system does so"
    with pytest.raises(LoaderError, match=message):
        list(batches)
    assert not workers()


def test_a_hanging_worker_is_named(shards, monkeypatch):
    monkeypatch.setattr(engine_module, "_SECONDS_TO_LEAVE", 0.5)  # it will not leave by itself
    clips = loader(shards, num_workers=1)
    batches = iter(clips)
    next(batches)
    clips._engine._timeout_seconds = 1.0  # not before it has started, which takes as long on a busy machine
    for worker in workers():
        worker.suspend()
    with pytest.raises(
        LoaderError, match=r"No clip for 1 s from loader worker 0 \(process \d+\) at train-v\d+ in train/"
    ):
        list(batches)
    assert not workers()


def test_a_worker_that_fetches_a_shard_may_take_its_time(shards, monkeypatch):
    clips = loader(shards, num_workers=1)
    expected = [batch.key for batch in clips]
    asked = []

    def fetching(cache_dir):
        asked.append(cache_dir)
        if len(asked) == 9:  # twice the time limit
            for worker in workers():
                worker.resume()
        return True

    monkeypatch.setattr(engine_module, "is_fetching", fetching)
    cached = loader(shards, num_workers=1)
    batches = iter(cached)
    first = next(batches)
    cached._engine._timeout_seconds, cached._engine._cache_dir = 0.2, "the cache"
    for worker in workers():
        worker.suspend()
    assert [first.key, *(batch.key for batch in batches)] == expected
    assert set(asked) == {"the cache"} and len(asked) >= 9


def test_an_abandoned_iterator_leaves_nothing(shards):
    before = batch_memory()  # of earlier tests, which Python has not tidied up yet
    batches = iter(loader(shards))
    next(batches)
    left = workers()
    assert len(left) == 2 and batch_memory() - before
    batches.close()
    assert gone(left)
    assert batch_memory() <= before


def test_a_forgotten_iterator_leaves_nothing(shards):
    left = []
    for _ in loader(shards):
        left = workers()
        break
    assert gone(left)


SCRIPT = """
    import sys, time
    from vidprep.load import ClipLoader, LoaderOptions
    from vidprep.recipes.recipe import TrainClip
    # No `if __name__ == "__main__"`: workers do not run this script again.
    options = LoaderOptions(num_workers=2)
    loader = ClipLoader(sys.argv[1], clip=TrainClip(clip_len=8), batch_size=2, options=options)
    for batch in loader:
        print("ready", flush=True)
        time.sleep(60)
"""


def test_workers_end_with_a_killed_trainer(shards):
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(shards)], stdout=subprocess.PIPE
    ) as trainer:
        assert trainer.stdout.readline() == b"ready\n"
        children = psutil.Process(trainer.pid).children(recursive=True)
        assert len(children) == 2
        trainer.kill()
    assert gone(children)


def test_no_memory_for_the_batches(shards, monkeypatch):
    monkeypatch.setattr(ring_module, "available_memory", lambda: 2**10)
    with pytest.raises(
        LoaderError, match=r"The batches need 0.00 GiB of memory, 0.00 GiB are available. Use a"
    ):
        next(iter(loader(shards)))


def test_importing_the_loader_loads_no_torch():
    code = "import sys, vidprep.load; dir(vidprep.load); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_workers_are_counted_by_a_containers_quota(monkeypatch):
    monkeypatch.setattr(options_module, "num_cores", lambda: 8)
    assert options_module.default_num_workers() == 7
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert options_module.default_num_workers() == 2


def test_workers_load_no_torch():
    code = "import sys, vidprep.load.workers.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_pinning_needs_a_gpu(shards):
    with pytest.raises(ValueError, match="pin_memory needs a GPU"):
        next(iter(loader(shards, pin_memory=True)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers must be at least 0, got -1"),
        ({"num_slots": 1}, "num_slots must be at least 2, one in use and one being filled; got 1"),
        ({"cache_dir": "x"}, "cache_dir and cache_bytes go together"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        LoaderOptions(**options)


def test_stats_name_the_bottleneck(shards):
    clips = loader(shards)
    assert clips.stats().bottleneck() == "Nothing was loaded yet."
    list(clips)
    stats = clips.stats()
    assert (stats.num_batches, stats.num_clips) == (13, 26)
    assert stats.decode > 0
    assert stats.size_bytes > 26 * 1000
    assert "is the bottleneck" in stats.bottleneck()
    for _ in clips:
        time.sleep(0.05)
    # The start of the workers is waiting too, and this is a short run.
    stats.wait = 0.01
    assert stats.bottleneck().startswith("The caller is the bottleneck: it waited for clips")


MANY_EPOCHS = """
    import json, sys
    import psutil
    from vidprep import ClipLoader, LoaderOptions, TrainClip

    clips = ClipLoader(
        sys.argv[1],
        clip=TrainClip(clip_len=1, crop_size=32),
        batch_size=1,
        shuffle="none",
        options=LoaderOptions(num_workers=2),
    )
    sizes, given = [], 0
    with clips:
        for epoch in range(770):
            given += sum(1 for _ in clips)
            if epoch % 100 == 69:
                processes = (psutil.Process(), *psutil.Process().children())
                sizes.append([(p.memory_info().rss, p.num_fds()) for p in processes])
    print(json.dumps([given, sizes]))
"""


@pytest.mark.slow
def test_memory_stays_flat(shards):
    """20,000 batches in 770 epochs; neither the workers nor a process that does nothing else may grow."""
    words = [sys.executable, "-c", textwrap.dedent(MANY_EPOCHS), str(shards)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=280)
    given, sizes = json.loads(done.stdout)
    assert given == 20_020
    assert [len(processes) for processes in sizes] == [3] * 8
    print(np.array(sizes))
    # Stored videos are not demuxed by PyAV, which would keep about 270 bytes of each. The allocator adds some
    # MiB at first.
    for (settled, descriptors), last in zip(sizes[0], sizes[-1], strict=True):
        assert last[0] < settled + 4 * 2**20
        assert last[1] <= descriptors
