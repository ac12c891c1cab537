"""Pinned memory is used again only when the GPU has read it; here it is overwritten at once."""

import pytest
import torch

from tests.helpers.runs.fake_gpu import fake_gpu
from vidprep.load import ClipLoader, LoaderOptions, ViewLoader
from vidprep.load.batch import Lease
from vidprep.load.workers.engine import InlineEngine
from vidprep.recipes.recipe import EvalViews, TrainClip

CLIP = TrainClip(clip_len=2, crop_size=64)
VIEWS = EvalViews(clip_len=2, num_clips=2, num_crops=1, crop_size=64)
OVERWRITTEN = 255


@pytest.fixture
def overwriting(monkeypatch):
    """The memory of a batch is overwritten the moment it is to be used again, not when a video is decoded."""
    submit = InlineEngine.submit

    def overwrite(engine, job):
        engine.ring[job.slot][job.row : job.row + len(job.views)] = OVERWRITTEN
        submit(engine, job)

    monkeypatch.setattr(InlineEngine, "submit", overwrite)


def clips(shards, **options):
    return ClipLoader(
        shards, "train", clip=CLIP, batch_size=4, options=LoaderOptions(num_workers=0, **options)
    )


def views(shards, **options):
    return ViewLoader(shards, "validation", views=VIEWS, options=LoaderOptions(num_workers=0, **options))


def copied(make, shards, num_slots=2):
    """All batches of two epochs on the GPU, and what was asked of it."""
    with fake_gpu() as gpu:
        with make(shards, pin_memory=True, num_slots=num_slots) as loader:
            batches = [batch.to("cuda") for _ in range(2) for batch in loader]
        videos = [batch.video for batch in batches]
        assert all(video.is_cuda for video in videos)
        assert not gpu._late  # closing has waited for the last one
    return [video.clone() for video in videos], gpu


@pytest.mark.usefixtures("overwriting")
@pytest.mark.parametrize("make", [clips, views])
def test_copies_show_what_the_batch_showed(make, shards):
    with make(shards) as loader:
        expected = [batch.video.clone() for _ in range(2) for batch in loader]
    found, gpu = copied(make, shards)
    assert gpu.num_late == len(found) == len(expected) >= 10
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    assert gpu.calls[0] == "pin" and gpu.calls[-1] == "unpin" and gpu.calls.count("pin") == 1
    # A batch is waited for before the next one is given, and before the memory is let go.
    steps = [call for call in gpu.calls if call in ("record", "wait")]
    assert steps == ["record", "wait"] * len(found)


@pytest.mark.usefixtures("overwriting")
def test_without_waiting_the_clips_would_be_others(shards, monkeypatch):
    """The double sees what it is there to see."""
    with clips(shards) as loader:
        expected = [batch.video.clone() for _ in range(2) for batch in loader]
    monkeypatch.setattr(Lease, "wait", lambda lease: None)
    monkeypatch.setattr("tests.helpers.runs.fake_gpu.FakeGpu.unpin", lambda gpu, address: gpu.catch_up() or 0)
    found, _ = copied(clips, shards)
    same = [torch.equal(one, other) for one, other in zip(found, expected, strict=True)]
    assert sum(same) <= 2 < len(same)  # two slots: at most the last two batches are still there


@pytest.mark.usefixtures("overwriting")
def test_part_of_a_batch_is_waited_for_too(shards):
    with clips(shards) as loader:
        expected = [batch.video[1:3].clone() for batch in loader]
    with fake_gpu() as gpu, clips(shards, pin_memory=True, num_slots=2) as loader:
        halves = [batch.rows(1, 3).to("cuda").video for batch in loader]
    assert gpu.num_late == len(halves)
    assert all(torch.equal(one, other) for one, other in zip(halves, expected, strict=True))


def test_an_iteration_left_half_way_waits_before_it_lets_the_memory_go(shards):
    with fake_gpu() as gpu:
        loader = clips(shards, pin_memory=True, num_slots=2)
        batches = iter(loader)
        next(batches).to("cuda")
        assert "wait" not in gpu.calls
        batches.close()  # `unpin` refuses while a copy is under way
    assert gpu.calls[-2:] == ["wait", "unpin"]


def test_pinned_memory_needs_a_gpu(shards, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"pin_memory needs a GPU, and PyTorch sees none\. Leave it out\."):
        list(clips(shards, pin_memory=True))
