"""Single samples are those of ClipLoader: clips, crops, flips and labels, in workers that live on, too."""

import json

import pytest
import torch

from tests.helpers.sets.numbered import NUM_TRAIN
from vidprep.load import ClipLoader, LoaderOptions, ShardDataset, decode_clip
from vidprep.load.sampling import flips
from vidprep.load.transforms import to_rgb
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet

INLINE = LoaderOptions(num_workers=0)
CLIP = TrainClip(clip_len=2, crop_size=64)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"flip": "all"},
        {"flip": "safe"},
        {"spatial": "short_side_jitter", "flip": "all"},
        {"spatial": "multi_scale", "temporal": "uniform"},
    ],
    ids=str,
)
def test_samples_are_those_of_the_clip_loader(shards, monkeypatch, changes):
    # Label 0 and 1 show each other when mirrored, 2 shows no class.
    monkeypatch.setattr(flips, "partner_labels", lambda *_: {0: 1, 1: 0, 2: None})
    clip = CLIP.model_copy(update=changes)
    dataset = ShardDataset(shards, clip=clip, seed=3)
    dataset.set_epoch(1)
    rows = {dataset._split.video(row).key: row for row in range(len(dataset))}
    loader = ClipLoader(
        shards, clip=clip, batch_size=NUM_TRAIN, seed=3, epoch=1, pixels="rgb", options=INLINE
    )
    num_flipped = 0
    for batch in loader:
        for i, shown in enumerate(to_rgb(batch)[:8]):
            sample = dataset[rows[batch.key[i]]]
            assert sample["label"] == batch.label[i]
            assert sample["frame_indices"].tolist() == batch.frame_indices[i].tolist()
            assert torch.equal(sample["video"].permute(0, 3, 1, 2), shown)
            assert not torch.equal(shown, shown.flip(-1))  # or nothing would tell a mirrored clip
            num_flipped += bool(batch.flip[i])
    assert (num_flipped > 0) == (clip.flip != "none")


def test_the_epoch_reaches_workers_that_live_on(shards):
    dataset = ShardDataset(shards, clip=CLIP, seed=3)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(dataset, range(4)),
        batch_size=4,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="spawn",
    )
    for epoch in range(2):
        dataset.set_epoch(epoch)
        (batch,) = list(loader)
        expected = [dataset[row]["video"] for row in range(4)]
        assert torch.equal(batch["video"], torch.stack(expected))
    dataset.set_epoch(0)
    assert not torch.equal(batch["video"][0], dataset[0]["video"])


def webdataset_sample(shards, row):
    split = ShardSet.open(shards).split("train")
    video = split.video(row)
    with (shards / video.shard).open("rb") as file:
        file.seek(video.offset)
        data = file.read(video.size)
    facts = {"num_frames": video.num_frames, "width": video.width, "height": video.height}
    return {"__key__": video.key, "mp4": data, "cls": str(split.labels[row]), "json": json.dumps(facts)}


def test_a_webdataset_sample_is_flipped_and_resized_too(shards):
    clip = CLIP.model_copy(update={"flip": "all", "spatial": "multi_scale"})
    dataset = ShardDataset(shards, clip=clip, seed=3)
    dataset.set_epoch(2)
    for row in range(4):
        sample = decode_clip(webdataset_sample(shards, row), clip=clip, seed=3, epoch=2)
        assert torch.equal(sample["video"], dataset[row]["video"])
        assert sample["label"] == dataset[row]["label"]


def test_a_safe_flip_of_a_webdataset_sample_is_refused(shards):
    clip = CLIP.model_copy(update={"flip": "safe"})
    with pytest.raises(
        ValueError, match='flip = "safe" needs the classes of the shard set: use ShardDataset'
    ):
        decode_clip(webdataset_sample(shards, 0), clip=clip)
