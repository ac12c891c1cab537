"""Workers live from epoch to epoch, and end with the loader however the caller leaves."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from multiprocessing import Pipe

import psutil
import pytest
import torch

from tests.helpers.programs.processes import children_with
from vidprep.errors import BatchExpired, LoaderError
from vidprep.load import ClipLoader, LoaderOptions, ViewLoader
from vidprep.recipes.recipe import EvalViews, TrainClip

CLIP = TrainClip(clip_len=2, crop_size=64)


def loader(shards, num_workers=1, **options):
    options = LoaderOptions(num_workers=num_workers, **options)
    return ClipLoader(shards, "train", clip=CLIP, batch_size=13, options=options)


def workers():
    return {child.pid for child in children_with("vidprep.load.workers.worker")}


def pixels(batches):
    return [batch.video.clone() for batch in batches]


def test_epochs_share_their_workers_and_show_the_same(shards):
    expected = [pixels(alone) for alone in [loader(shards, num_workers=0)] for _ in range(3)]
    with loader(shards, num_workers=2) as clips:
        seen = []
        for epoch in range(3):
            for one, other in zip(expected[epoch], pixels(clips), strict=True):
                assert torch.equal(one, other)
            seen.append(workers())
        assert len(seen[0]) == 2
        assert seen[0] == seen[1] == seen[2]
    assert not workers()


def test_views_share_their_workers(shards):
    views = EvalViews(clip_len=2, num_clips=1, num_crops=1, crop_size=64)
    with ViewLoader(shards, "validation", views=views, options=LoaderOptions(num_workers=1)) as given:
        first = pixels(given)
        before = workers()
        assert all(torch.equal(*pair) for pair in zip(first, pixels(given), strict=True))
        assert workers() == before
    assert not workers()


def test_a_forgotten_loader_leaves_nothing(shards):
    clips = loader(shards)
    list(clips)
    assert workers()
    del clips
    gc.collect()
    assert not workers()


def test_an_iteration_left_half_way_ends_the_workers_and_the_next_one_starts_some(shards):
    clips = loader(shards)
    first = iter(clips)
    batch = next(first)
    first.close()
    assert not workers()
    assert len(batch.video) == 13  # its memory is not used again
    clips.seek(epoch=0, step=0)
    assert len(list(clips)) == 2
    assert len(batch.video) == 13
    clips.close()
    clips.close()


def test_the_last_batch_expires_with_the_first_of_the_next_epoch(shards):
    with loader(shards, num_workers=0, num_slots=2) as clips:
        batches = iter(clips)
        next(batches)
        last = next(batches)  # the epoch is at its end, the iteration has not been asked for more
        kept = last.video.clone()
        assert torch.equal(last.video, kept)
        following = iter(clips)
        next(following)
        with pytest.raises(BatchExpired):
            _ = last.video
        assert list(batches) == []  # the old iteration ends without harm to the new one
        assert len(list(following)) == 1


def test_closing_in_the_middle_of_an_iteration(shards):
    for num_workers in (0, 1):
        options = LoaderOptions(num_workers=num_workers, num_slots=2)
        clips = ClipLoader(shards, "train", clip=CLIP, batch_size=2, options=options)
        batches = iter(clips)
        next(batches)
        clips.close()
        assert not workers()
        with pytest.raises(LoaderError, match="The loader was closed in the middle of an iteration"):
            list(batches)
        clips.seek(epoch=0, step=0)
        assert len(list(clips)) == 13
        clips.close()


def test_a_worker_that_dies_between_epochs_is_named(shards):
    clips = loader(shards)
    list(clips)
    (worker,) = workers()
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(LoaderError, match=rf"killed by SIGKILL: loader worker 0 \(process {worker}\)"):
        list(clips)
    assert len(list(clips)) == 2
    clips.close()


def test_a_copy_in_a_forked_process_has_workers_of_its_own(shards):
    clips = loader(shards)
    expected = [batch.key for batch in clips]
    clips.seek(epoch=0, step=0)
    child = os.fork()
    if not child:
        is_same = [batch.key for batch in clips] == expected
        clips.close()
        os._exit(0 if is_same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [batch.key for batch in clips] == expected
    clips.close()


def test_a_closed_loader_can_be_pickled(shards):
    clips = loader(shards, num_workers=0)
    list(clips)
    clips.close()
    assert len(list(pickle.loads(pickle.dumps(clips)))) == 2


SCRIPT = """
    import sys
    from vidprep.load import ClipLoader, LoaderOptions
    from vidprep.recipes.recipe import TrainClip
    clip, options = TrainClip(clip_len=2, crop_size=64), LoaderOptions(num_workers=1)
    loader = ClipLoader(sys.argv[1], clip=clip, batch_size=13, options=options)
    for epoch in range(2):
        list(loader)
    import psutil
    print(*[child.pid for child in psutil.Process().children()])
"""


def test_a_script_that_closes_nothing_leaves_nothing(shards):
    words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(shards)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=240)
    (worker,) = map(int, done.stdout.split())
    assert not psutil.pid_exists(worker)
    assert done.stderr == ""


SENDS_TO_NOBODY = """
    import sys
    from multiprocessing.connection import Connection
    from vidprep.load.workers.worker import _send
    _send(Connection(int(sys.argv[1])), "a batch")
    print("goes on")
"""


def test_a_worker_whose_loader_is_gone_ends_without_a_word():
    """It may find out when it sends something, before it hears that nothing comes any more."""
    ours, theirs = Pipe()
    ours.close()
    words = [sys.executable, "-c", textwrap.dedent(SENDS_TO_NOBODY), str(theirs.fileno())]
    done = subprocess.run(
        words, pass_fds=(theirs.fileno(),), capture_output=True, text=True, timeout=240, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
