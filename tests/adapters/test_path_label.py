"""The dataset classes of VideoMAE and V-JEPA 2 by their own names: the same arguments, the same tuples."""

import pytest
import torch

from vidprep.adapters.path_label import VideoClsDataset, VideoDataset, normalised
from vidprep.load import ShardDataset
from vidprep.load.sampling.clips import centre_frames
from vidprep.recipes.recipe import EvalViews, TrainClip

SIZE = {"clip_len": 4, "frame_sample_rate": 2, "crop_size": 32}


def test_videomae_trains(shards):
    dataset = VideoClsDataset(anno_path=f"{shards}/train", data_path="", mode="train", **SIZE)
    assert len(dataset) == 15
    clip = TrainClip(clip_len=4, frame_step=2, crop_size=32, spatial="random_resized_crop")
    expected = ShardDataset(shards, clip=clip)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        expected.set_epoch(epoch)
        video, label, number, extra = dataset[3]
        assert (label, number, extra) == (expected[3]["label"], 3, {})
        assert torch.equal(video, normalised(expected[3]["video"]))
        assert video.shape == (3, 4, 32, 32)


def test_videomae_validates_on_the_middle(shards):
    dataset = VideoClsDataset(f"{shards}/validation", mode="validation", **SIZE)
    video, _, key = dataset[-1]
    assert video.shape == (3, 4, 32, 32)
    assert key.startswith("validation-")
    assert len(dataset) == 6


def test_videomae_tests_every_view_of_every_video(shards):
    dataset = VideoClsDataset(
        f"{shards}/validation", mode="test", test_num_segment=2, test_num_crop=3, **SIZE
    )
    views = EvalViews(clip_len=4, frame_step=2, crop_size=32, num_clips=2, num_crops=3)
    expected = ShardDataset(shards, "validation", clip=views)
    assert len(dataset) == 6 * 6
    seen = set()
    for index in range(len(dataset)):
        video, label, key, chunk, split = dataset[index]
        row = index % 6
        assert (key, label) == (expected[row]["__key__"], expected[row]["label"])
        assert torch.equal(video, normalised(expected[row]["video"][chunk * 3 + split]))
        seen.add((key, chunk, split))
    assert len(seen) == 36


@pytest.mark.parametrize("random", [True, False])
def test_vjepa2(shards, random):
    dataset = VideoDataset(
        [f"{shards}/train"],
        frames_per_clip=4,
        frame_step=2,
        num_clips=3,
        random_clip_sampling=random,
        crop_size=32,
        transform=lambda clip: torch.from_numpy(clip.copy()).permute(3, 0, 1, 2),
        shared_transform=lambda frames: frames,
    )
    clips, label, frames = dataset[2]
    assert [clip.shape for clip in clips] == [(3, 4, 32, 32)] * 3
    assert isinstance(label, int)
    assert [list(part[1:] - part[:-1]) for part in frames] == [[2, 2, 2]] * 3
    again = dataset[2]
    assert all(torch.equal(a, b) for a, b in zip(clips, again[0], strict=True))
    dataset.set_epoch(1)
    moved = any((a != b).any() for a, b in zip(frames, dataset[2][2], strict=True))
    assert moved == random


def test_vjepa2_at_a_rate(shards):
    rate = ShardDataset(shards, clip=TrainClip(clip_len=2, crop_size=8))._split.fps[0]
    dataset = VideoDataset(f"{shards}/train", 3, fps=rate / 2, frame_step=None, crop_size=32)
    (frames,) = dataset[0][2]
    assert list(frames - frames[0]) == [0, 2, 4]
    assert len(centre_frames(TrainClip(clip_len=3), 9)) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: VideoClsDataset("lists/train.csv"), "is no split of a shard set. Give its folder and"),
        (lambda s: VideoClsDataset(f"{s}/train", mode="val"), 'must be "train", "validation" or "test", got'),
        (
            lambda s: VideoClsDataset(f"{s}/train", short_side_size=320, **SIZE),
            "short_side_size is 320, the shards hold videos of 36",
        ),
        (lambda s: VideoDataset(f"{s}/train", fps=4), "Give one of fps=4, duration=None and frame_step=4"),
        (lambda s: VideoDataset([f"{s}/train", f"{s}/validation"]), "One SHARDS/split is read, got 2"),
        (
            lambda s: VideoDataset(f"{s}/train", fps=1000, frame_step=None, crop_size=32),
            "fps = 1000 is more than the .* frames a second that are stored",
        ),
        (lambda s: VideoDataset(f"{s}/train", crop_size=64), "crop_size 64 does not fit into a"),
    ],
)
def test_what_is_refused(shards, make, message):
    with pytest.raises(ValueError, match=message):
        make(shards)
