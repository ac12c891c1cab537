"""The forms in which loaders give clips: dictionaries, smaller last batches, the middle clip, DataLoaders."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.helpers.sets.numbered import NUM_TRAIN, NUM_VALIDATION
from vidprep.errors import LoaderError
from vidprep.load import ClipLoader, DictOutput, LoaderOptions, ShardDataset, ViewLoader, to_network_input
from vidprep.load.sampling.clips import centre_frames
from vidprep.load.transforms import to_rgb
from vidprep.recipes.recipe import EvalViews, TrainClip

INLINE = LoaderOptions(num_workers=0)
CLIP = TrainClip(clip_len=2, crop_size=32, frame_step=3)
VIEWS = EvalViews(clip_len=2, crop_size=32, num_clips=1, num_crops=1)


def loader(shards, **changes):
    options = {"clip": CLIP, "batch_size": 8, "seed": 5, "options": INLINE} | changes
    return ClipLoader(shards, "train", **options)


def test_a_dictionary_shows_the_same_clips(shards):
    for batch, given in zip(loader(shards), loader(shards, output="dict"), strict=True):
        assert given["video"].shape == (8, 3, 2, 32, 32)
        assert torch.equal(given["video"].transpose(1, 2), to_rgb(batch))
        assert given["key"] == list(batch.key)
        assert torch.equal(given["label"], batch.label)
        assert torch.equal(given["frame_indices"], batch.frame_indices)
        assert given["fps"].tolist() == [30.0] * 8
        assert all((given["frame_indices"] < given["num_frames"][:, None]).flatten())


def test_a_dictionary_may_be_kept(shards):
    two_slots = LoaderOptions(num_workers=0, num_slots=2)
    kept = list(loader(shards, output="dict", options=two_slots))
    for given, batch in zip(kept, loader(shards), strict=True):
        assert torch.equal(given["video"].transpose(1, 2), to_rgb(batch))


def test_a_normalised_dictionary_in_the_layout_of_transformers(shards):
    output = DictOutput(layout="BTCHW", dtype=torch.float16, class_names=True)
    for batch, given in zip(loader(shards), loader(shards, output=output), strict=True):
        expected = to_network_input(batch, dtype=torch.float16)
        assert torch.equal(given["video"], expected.transpose(1, 2))
        assert given["class"] == [f"class {label}" for label in batch.label.tolist()]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda shards: loader(shards, output="tuple"), 'must be "batch", "dict" or a DictOutput'),
        (lambda shards: DictOutput(layout="THWC"), "layout must be one of BCTHW, BTCHW; got 'THWC'"),
        (lambda shards: DictOutput(dtype=torch.int32), "dtype must be torch.uint8 or a floating type"),
        (lambda shards: loader(shards, clips="middle"), 'clips must be "random" or "centre", got'),
        (
            lambda shards: ViewLoader(shards, views=VIEWS, videos_per_batch=0),
            "videos_per_batch must be at least 1, got 0",
        ),
    ],
)
def test_what_is_no_choice_is_said(shards, make, message):
    with pytest.raises(ValueError, match=message):
        make(shards)


def test_transform_has_the_last_word(shards):
    keys = [batch.key for batch in loader(shards)]
    assert list(loader(shards, transform=lambda batch: batch.key)) == keys
    assert list(loader(shards, output="dict", transform=lambda given: tuple(given["key"]))) == keys


def test_bare_pixels_that_a_transform_takes_out_may_be_kept(shards):
    def take_out(batch):
        return {"clips": [batch.video, (batch.video[:, :2].numpy(),)], "label": batch.label}

    two_slots = LoaderOptions(num_workers=0, num_slots=2)
    expected = [batch.to("cpu").video for batch in loader(shards)]
    kept = list(loader(shards, transform=take_out, options=two_slots))
    assert len(kept) == len(expected) > 2
    for given, video in zip(kept, expected, strict=True):
        assert torch.equal(given["clips"][0], video)
        assert np.array_equal(given["clips"][1][0], video[:, :2])


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_rest_of_an_epoch_may_be_kept(shards, world_size):
    ranks = [
        list(loader(shards, drop_last=False, output="dict", rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert (
        [len(part) for part in ranks]
        == [len(loader(shards, drop_last=False))] * world_size
        == [4] * (world_size)
    )
    keys = [key for batches in zip(*ranks, strict=True) for batch in batches for key in batch["key"]]
    assert len(keys) == len(set(keys)) == NUM_TRAIN
    whole = [key for batch in loader(shards) for key in batch.key]
    assert keys[: len(whole)] == whole
    for part in ranks:
        assert all(len(batch["key"]) == len(batch["video"]) == len(batch["label"]) for batch in part)


def test_an_epoch_of_one_small_batch(shards):
    clips = loader(shards, batch_size=40, drop_last=False)
    assert [len(batch) for batch in clips] == [NUM_TRAIN]
    assert (clips.epoch, clips.step) == (1, 0)
    with pytest.raises(
        ValueError, match=r"more than the 26 videos there are\. Use a smaller one, or drop_last"
    ):
        loader(shards, batch_size=40)


def test_the_middle_clip_is_the_same_in_every_epoch(shards):
    clips = loader(shards, clips="centre", clip=CLIP.model_copy(update={"flip": "all"}))
    (first, second) = ({key: row for batch in clips for key, row in rows_of(batch)} for _ in range(2))
    common = first.keys() & second.keys()
    assert len(common) > NUM_TRAIN / 2
    for key in common:
        frames, num_frames, box = first[key]
        assert first[key] == second[key]
        assert frames == centre_frames(CLIP, num_frames)
        assert box in ([112, 154, 32, 32], [154, 112, 32, 32], [112, 212, 32, 32])


def rows_of(batch):
    assert not batch.flip.any()
    columns = (batch.frame_indices, batch.num_frames, batch.box)
    return zip(batch.key, zip(*(column.tolist() for column in columns), strict=True), strict=True)


@pytest.mark.parametrize(
    ("temporal", "num_frames", "frames"),
    [("dense", 20, [6, 8, 10, 12]), ("dense", 3, [0, 2, 1, 0]), ("uniform", 16, [2, 6, 10, 14])],
)
def test_centre_frames(temporal, num_frames, frames):
    clip = TrainClip(clip_len=4, frame_step=2 if temporal == "dense" else 1, temporal=temporal)
    assert centre_frames(clip, num_frames) == frames


def test_several_videos_in_a_batch_of_views(shards):
    views = VIEWS.model_copy(update={"num_clips": 2, "num_crops": 3})
    one_by_one = [batch.clone() for batch in ViewLoader(shards, views=views, options=INLINE)]
    batches = [batch.clone() for batch in ViewLoader(shards, views=views, videos_per_batch=3, options=INLINE)]
    assert [len(batch) for batch in batches] == [18, 18, 6]
    assert len(ViewLoader(shards, views=views, videos_per_batch=3, world_size=2, options=INLINE)) == 2
    for name in ("video", "label", "frame_indices", "num_frames", "fps", "box"):
        together = torch.cat([getattr(batch, name) for batch in batches])
        assert torch.equal(together, torch.cat([getattr(batch, name) for batch in one_by_one])), name
    assert [key for batch in batches for key in batch.key[::6]] == [b.key[0] for b in one_by_one]
    assert len(one_by_one) == NUM_VALIDATION


def test_a_video_that_fails_leaves_the_others_of_its_batch(own_shards):
    part = ClipLoader(own_shards, "validation", clip=CLIP, batch_size=1, options=INLINE)._split
    broken = part.video(1)
    with (own_shards / broken.shard).open("r+b") as tar:
        tar.seek(broken.offset + broken.size // 2)
        tar.write(b"\xff" * 40)
    whole = [b.clone() for b in ViewLoader(own_shards, views=VIEWS, on_failure=print, options=INLINE)]
    told = []
    views = ViewLoader(
        own_shards,
        views=VIEWS,
        videos_per_batch=4,
        on_failure=lambda key, why: told.append(key),
        options=INLINE,
    )
    batches = [batch.clone() for batch in views]
    assert told == [broken.key]
    assert [len(batch) for batch in batches] == [3, 3]
    assert torch.equal(torch.cat([b.video for b in batches]), torch.cat([b.video for b in whole]))


def test_in_a_data_loader(shards):
    clips = loader(shards, output="dict")
    data_loader = DataLoader(clips, batch_size=None)
    expected = loader(shards)
    for _ in range(2):  # a pass of the DataLoader is an epoch
        for given, batch in zip(data_loader, expected, strict=True):
            assert given["key"] == list(batch.key)
    assert clips.epoch == 2


def test_workers_of_a_data_loader_are_refused(shards):
    batches = iter(DataLoader(loader(shards), batch_size=None, num_workers=1))
    try:
        with pytest.raises(LoaderError, match=r"Use DataLoader\(loader, batch_size=None, num_workers=0\)"):
            next(batches)
    finally:
        batches._shutdown_workers()


def test_samples_of_views_and_of_the_middle(shards):
    views = VIEWS.model_copy(update={"num_clips": 2, "num_crops": 3})
    dataset = ShardDataset(shards, "validation", clip=views, transform=lambda sample: sample["video"])
    for row, batch in enumerate(ViewLoader(shards, views=views, pixels="rgb", options=INLINE)):
        assert np.array_equal(dataset[row], batch.video)
    middle = ShardDataset(shards, clip=CLIP, clips="centre")
    assert middle[0]["frame_indices"].tolist() == centre_frames(CLIP, 20)
    assert len(middle.labels) == NUM_TRAIN
