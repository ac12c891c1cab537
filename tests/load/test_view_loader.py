"""Evaluation: every video once, each view the right one, nothing padded or dropped."""

import pytest
import torch

from tests.helpers.sets.numbered import NUM_VALIDATION, read_number
from vidprep.errors import LoaderError, ShardError
from vidprep.load import LoaderOptions, ViewLoader
from vidprep.load.sampling.clips import eval_frames
from vidprep.load.sampling.crops import eval_boxes
from vidprep.recipes.recipe import EvalViews

INLINE = LoaderOptions(num_workers=0)
VIEWS = EvalViews(clip_len=8, num_clips=3, num_crops=3)


def loader(shards, **changes):
    return ViewLoader(shards, "validation", **({"views": VIEWS, "options": INLINE} | changes))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_views_show_their_clips(shards, num_workers):
    seen = []
    for batch in loader(shards, options=LoaderOptions(num_workers=num_workers)):
        assert len(set(batch.key)) == 1
        assert batch.video.shape == (9, 8, 387, 258)
        for view in range(9):
            top = int(batch.box[view, 0])
            numbers = [read_number(frame[:256, :256].numpy(), top) for frame in batch.video[view]]
            assert numbers == batch.frame_indices[view].tolist()
        seen.append(batch.key[0])
    assert seen == [f"validation-v{26 + i}" for i in range(NUM_VALIDATION)]


def test_views_are_those_of_the_recipe(shards):
    first = next(iter(loader(shards)))
    num_frames = int(first.frame_indices.max()) + 1
    clips, boxes = eval_frames(VIEWS, num_frames), eval_boxes(VIEWS, 456, 256)
    assert first.frame_indices.tolist() == [clip for clip in clips for _ in range(3)]
    assert first.box.tolist() == [list(box) for _ in range(3) for box in boxes]


@pytest.mark.parametrize("world_size", [2, 3, 10])
def test_ranks_share_the_videos(shards, world_size):
    ranks = [loader(shards, rank=rank, world_size=world_size) for rank in range(world_size)]
    keys = [[batch.key[0] for batch in rank] for rank in ranks]
    assert [len(rank) for rank in ranks] == [len(part) for part in keys]
    assert sorted(key for part in keys for key in part) == [f"validation-v{26 + i}" for i in range(7)]
    assert max(map(len, keys)) - min(map(len, keys)) <= 1


def test_one_decode_gives_what_many_would(shards):
    together = next(iter(loader(shards))).clone()
    alone = next(iter(loader(shards, views=VIEWS.model_copy(update={"num_clips": 1, "num_crops": 1}))))
    centre = together.video[1]  # clip 0, middle crop
    assert torch.equal(centre, alone.video[0])


def test_split_that_is_not_there(shards):
    with pytest.raises(ShardError, match=r"has no split 'test'. It has: train, validation"):
        ViewLoader(shards, "test", views=VIEWS)


def test_a_second_iteration_is_refused_until_the_last_video(shards):
    views = loader(shards)
    with pytest.raises(LoaderError, match="Cannot begin another iteration"):
        list(zip(views, views, strict=True))
    first = iter(views)
    keys = [next(first).key[0] for _ in range(len(views))]
    assert [batch.key[0] for batch in views] == keys
