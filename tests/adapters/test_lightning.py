"""The part of the LightningDataModule that needs no lightning."""

import pytest

from vidprep.adapters.lightning import ShardLoaders
from vidprep.load import LoaderOptions
from vidprep.recipes.recipe import TrainClip

CLIP = TrainClip(clip_len=2, crop_size=32)


def loaders(shards, **settings):
    options = LoaderOptions(num_workers=0)
    return ShardLoaders(shards, clip=CLIP, batch_size=5, options=options, **settings)


def keys(data, count):
    batches = iter(data.train_dataloader())
    found = [list(next(batches)["key"]) for _ in range(count)]
    batches.close()
    return found


def test_a_position_is_taken_also_when_the_loader_is_made_already(shards):
    """A second `fit(..., ckpt_path=...)` with the same data restores the position into the old loader."""
    whole = keys(loaders(shards), 3)
    first = loaders(shards)
    assert keys(first, 1) == whole[:1]
    state = first.state_dict()
    fresh, used = loaders(shards), loaders(shards)
    assert keys(used, 2) == whole[:2]
    for data in (fresh, used):
        data.load_state_dict(state)
        assert keys(data, 2) == whole[1:]


def test_a_position_among_other_clips_is_refused(shards):
    other = loaders(shards, seed=1)
    other.train_dataloader()
    used = loaders(shards)
    keys(used, 1)
    with pytest.raises(ValueError, match="The saved position is of a loader with seed = 0, this one has 1"):
        other.load_state_dict(used.state_dict())
