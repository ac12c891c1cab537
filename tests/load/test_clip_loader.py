"""The training loader: the right frames, each sample once, the same batches for any ranks and workers."""

import json
from itertools import chain

import numpy as np
import pytest
import torch

from tests.helpers.sets.numbered import NUM_TRAIN, read_number, read_video_number
from vidprep.errors import BatchExpired, LoaderError
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.load import batch as batch_module
from vidprep.recipes.recipe import TrainClip

INLINE = LoaderOptions(num_workers=0)
CLIP = TrainClip(clip_len=8, crop_size=224)


def loader(shards, **changes):
    options = {"clip": CLIP, "batch_size": 6, "seed": 5, "options": INLINE} | changes
    return ClipLoader(shards, "train", **options)


def digest(batches):
    return [(b.key, b.label.tolist(), b.video.clone(), b.box.tolist()) for b in batches]


def assert_same(some, others):
    assert len(some) == len(others) > 0
    for (key, label, video, box), (key2, label2, video2, box2) in zip(some, others, strict=True):
        assert (key, label, box) == (key2, label2, box2)
        assert torch.equal(video, video2)


def check_frames(batch):
    """The pixels show the frames and the videos that the batch claims to hold."""
    side = batch.video.shape[-1]
    for i in range(len(batch)):
        top = int(batch.box[i, 0])
        for t, claimed in enumerate(batch.frame_indices[i].tolist()):
            frame = batch.video[i, t].numpy()
            assert read_number(frame[:224, :224], top // 2 * 2) == claimed
            video = int(batch.key[i].removeprefix("train-v"))
            assert read_video_number(frame[side : side + 112, :112]) == video % 10


@pytest.mark.parametrize(
    "clip",
    [
        CLIP,
        TrainClip(clip_len=32, frame_step=2),
        TrainClip(clip_len=16, temporal="uniform"),
        TrainClip(clip_len=16, temporal="uniform_ibm"),
    ],
    ids=str,
)
def test_pixels_are_the_frames_asked_for(shards, clip):
    for batch in loader(shards, clip=clip, batch_size=13):
        check_frames(batch)


def test_an_epoch_shows_each_sample_once(shards):
    keys = [key for batch in loader(shards, batch_size=13) for key in batch.key]
    assert len(keys) == len(set(keys)) == NUM_TRAIN


def test_the_rest_of_an_epoch_is_dropped_and_said(shards):
    clips = loader(shards)
    assert len(clips) == len(list(clips)) == 4
    assert "26 videos in 4 batches of 6, the last 2 of each epoch's order are dropped" in clips.describe()


@pytest.mark.parametrize("num_workers", [1, 3])
def test_workers_change_nothing(shards, num_workers):
    alone = digest(loader(shards))
    assert_same(alone, digest(loader(shards, options=LoaderOptions(num_workers=num_workers))))


@pytest.mark.parametrize("world_size", [2, 3, 6])
def test_ranks_change_nothing(shards, world_size):
    whole = digest(loader(shards))
    ranks = [digest(loader(shards, rank=rank, world_size=world_size)) for rank in range(world_size)]
    for step, (key, label, video, _) in enumerate(whole):
        parts = [rank[step] for rank in ranks]
        assert tuple(chain(*(part[0] for part in parts))) == key
        assert list(chain(*(part[1] for part in parts))) == label
        assert torch.equal(torch.cat([part[2] for part in parts]), video)


def test_resume_with_other_ranks_and_workers(shards):
    whole = digest(loader(shards))
    first = loader(shards)
    batches = iter(first)
    next(batches)
    next(batches)
    state = first.state_dict()
    batches.close()
    assert (state["epoch"], state["step"]) == (0, 2)
    ranks = []
    for rank in range(2):
        resumed = loader(shards, rank=rank, world_size=2, options=LoaderOptions(num_workers=1))
        resumed.load_state_dict(state)
        resumed.set_epoch(0)  # as a training loop does; it must not go back to the start
        ranks.append(digest(resumed))
    for step, (key, _, video, _) in enumerate(whole[2:]):
        assert ranks[0][step][0] + ranks[1][step][0] == key
        assert torch.equal(torch.cat([ranks[0][step][2], ranks[1][step][2]]), video)


def test_epochs_follow_each_other(shards):
    clips = loader(shards)
    first, second = digest(clips), digest(clips)
    assert clips.epoch == 2
    assert [key for key, *_ in first] != [key for key, *_ in second]
    clips.set_epoch(0)
    assert_same(first, digest(clips))


def test_rgb_and_yuv_show_the_same_crop(shards):
    from vidprep.load.transforms import to_rgb

    for yuv, rgb in zip(loader(shards), loader(shards, pixels="rgb"), strict=True):
        assert rgb.video.shape == (6, 8, 224, 224, 3)
        difference = to_rgb(yuv).int() - to_rgb(rgb).int()
        assert difference.abs().max() <= 2


def test_a_sample_is_the_same_in_any_batch(shards):
    by_key = {}
    for keys, _, videos, _ in digest(loader(shards)):
        by_key |= dict(zip(keys, videos, strict=True))
    for keys, _, videos, _ in digest(loader(shards, batch_size=2)):
        for key, video in zip(keys, videos, strict=True):
            if key in by_key:
                assert torch.equal(video, by_key[key])


def test_safe_flip_needs_a_manifest_only_for_safe(shards):
    flips = [
        flip for batch in loader(shards, clip=CLIP.model_copy(update={"flip": "all"})) for flip in batch.flip
    ]
    assert 0 < np.sum(flips) < len(flips)
    assert not any(batch.flip.any() for batch in loader(shards))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 6, "world_size": 4}, "must be a multiple of world_size = 4, got 6"),
        ({"batch_size": 27}, "batch_size 27 is more than the 26 videos there are"),
        ({"rank": 2, "world_size": 2}, "rank must be from 0 to world_size - 1 = 1, got 2"),
        ({"clip": TrainClip(crop_size=300)}, "crop_size 300 does not fit into a 256x340 frame"),
        ({"shuffle": "blocks"}, "shuffle must be one of full, block, none"),
    ],
)
def test_what_does_not_fit_is_said_at_once(shards, changes, message):
    with pytest.raises(ValueError, match=message):
        loader(shards, **changes)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seed": 6}, "seed"),
        ({"batch_size": 12}, "batch_size"),
        ({"shuffle": "block"}, "shuffle"),
        ({"clip": TrainClip(clip_len=4, crop_size=224)}, "clip"),
    ],
)
def test_a_position_in_another_order_is_refused(shards, changes, name):
    state = loader(shards).state_dict()
    with pytest.raises(ValueError, match=f"is of a loader with {name} ="):
        loader(shards, **changes).load_state_dict(state)


def test_more_workers_than_shards_and_clips(shards):
    clips = loader(shards, batch_size=2, options=LoaderOptions(num_workers=5))
    assert sum(len(batch) for batch in clips) == NUM_TRAIN


def test_a_position_survives_json(shards):
    state = json.loads(json.dumps(loader(shards).state_dict()))
    loader(shards).load_state_dict(state)


def test_seek(shards):
    whole = [digest(clips) for clips in [loader(shards)] for _ in range(2)]
    clips = loader(shards)
    clips.seek(epoch=1, step=2)
    assert (clips.epoch, clips.step) == (1, 2)
    assert_same(digest(clips), whole[1][2:])
    clips.seek(epoch=0, step=0)
    assert_same(digest(clips), whole[0])


@pytest.mark.parametrize(("epoch", "step"), [(0, 4), (0, -1), (-1, 0)])
def test_seek_beyond_an_epoch(shards, epoch, step):
    clips = loader(shards)
    with pytest.raises(ValueError, match=rf"no batch {step} of epoch {epoch}: .* from 0 to 3\."):
        clips.seek(epoch=epoch, step=step)
    assert (clips.epoch, clips.step) == (0, 0)


def take_by_next(clips):
    batches = iter(clips)
    return [next(batches).key for _ in range(len(clips))], batches


def take_by_zip(clips):
    return [batch.key for _, batch in zip(range(len(clips)), clips, strict=False)], None


@pytest.mark.parametrize("take", [take_by_next, take_by_zip])
def test_the_epoch_ends_with_its_last_batch(shards, take):
    expected = loader(shards)
    clips = loader(shards)
    for epoch in range(3):
        clips.set_epoch(epoch)
        keys, unfinished = take(clips)
        assert keys == [batch.key for batch in expected]
        assert (clips.epoch, clips.step) == (epoch + 1, 0)
    assert unfinished is None or not list(unfinished)
    assert (clips.epoch, clips.step) == (3, 0)


def test_a_second_iteration_is_refused(shards):
    clips = loader(shards)
    with pytest.raises(LoaderError, match="Cannot begin another iteration: an iteration over this loader is"):
        list(zip(clips, clips, strict=True))
    first = iter(clips)
    next(first)
    with pytest.raises(LoaderError, match="make two loaders"):
        next(iter(clips))
    for move in (
        lambda: clips.set_epoch(5),
        lambda: clips.seek(epoch=0, step=0),
        lambda: clips.load_state_dict(loader(shards).state_dict()),
    ):
        with pytest.raises(LoaderError, match="Cannot go to batch 0 of epoch"):
            move()
    first.close()
    clips.seek(epoch=0, step=0)
    assert len(list(clips)) == 4


def test_kept_batches_stay_what_they_were(shards):
    two_slots = LoaderOptions(num_workers=0, num_slots=2)
    kept, given, expected = [], [], []
    for batch in loader(shards, options=two_slots):
        kept.append(batch.to("cpu"))
        given.append(batch)
        expected.append(batch.video.numpy().copy())
    for copy, video in zip(kept, expected, strict=True):
        assert np.array_equal(copy.video, video)
    for batch in given:
        with pytest.raises(BatchExpired, match=r"call batch\.to"):
            _ = batch.video


def late_copy(monkeypatch):
    """Make copies like those to a GPU from pinned memory: they happen when somebody waits for them."""

    def begin_copy(tensor, device):
        copy = torch.zeros_like(tensor)
        return copy, lambda: copy.copy_(tensor)

    monkeypatch.setattr(batch_module, "_begin_copy", begin_copy)


def test_copies_are_complete_before_memory_is_used_again(shards, monkeypatch):
    expected = [video for _, _, video, _ in digest(loader(shards))]
    late_copy(monkeypatch)
    two_slots = LoaderOptions(num_workers=0, num_slots=2)
    parts = [(b.rows(0, 2).to("cpu"), b.rows(2, 6).to("cpu")) for b in loader(shards, options=two_slots)]
    for (first, second), video in zip(parts, expected, strict=True):
        assert torch.equal(torch.cat([first.video, second.video]), video)


def test_copies_are_complete_when_the_caller_leaves_the_loop(shards, monkeypatch):
    expected = digest(loader(shards))[0][2]
    late_copy(monkeypatch)
    for batch in loader(shards):
        copy = batch.rows(0, 3).to("cpu")
        break
    assert torch.equal(copy.video, expected[:3])
