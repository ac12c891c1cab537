"""Clips at a rate or of a duration, several of a video, and random resized crops, against slow references."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from tests.helpers.sets.numbered import NUM_TRAIN
from vidprep.errors import RecipeError
from vidprep.load import ClipLoader, LoaderOptions, ShardDataset, ViewLoader
from vidprep.load.sampling.clips import clip_offsets, eval_frames, train_frames
from vidprep.load.sampling.crops import train_box
from vidprep.load.sampling.draws import Draws
from vidprep.load.transforms import to_rgb
from vidprep.recipes.pipelines import read_pipeline
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.shard_set import ShardSet

INLINE = LoaderOptions(num_workers=0)
RATES = (10.0, 12.5, 15.0, 23.976023976023978, 25.0, 29.97002997002997, 30.0)


@pytest.mark.parametrize(
    ("clip", "rate", "offsets"),
    [
        ({"fps": 8}, 30.0, [0, 3, 7, 11, 15]),
        ({"fps": 8}, 25.0, [0, 3, 6, 9, 12]),
        ({"fps": 8}, 10.0, [0, 1, 2, 3, 5]),
        ({"fps": 10}, 10.0, [0, 1, 2, 3, 4]),
        ({"duration_seconds": 2.5}, 30.0, [0, 15, 30, 45, 60]),
        ({"duration_seconds": 2.5}, 12.5, [0, 6, 12, 18, 25]),
    ],
)
def test_offsets(clip, rate, offsets):
    assert clip_offsets(TrainClip(clip_len=5, **clip), rate) == offsets
    assert clip_offsets(EvalViews(clip_len=5, **clip), rate) == offsets


@given(st.sampled_from(RATES), st.integers(1, 64), st.integers(1, 10))
def test_each_frame_is_the_one_on_the_screen(rate, clip_len, fps):
    """Frame k of a stored video is on the screen from k / rate on; rates count in thousandths."""
    exact = Fraction(round(rate * 1000), 1000)
    for i, offset in enumerate(clip_offsets(TrainClip(clip_len=clip_len, fps=fps), rate)):
        assert offset / exact <= Fraction(i, fps) < (offset + 1) / exact


def test_clips_at_a_rate_stay_in_the_video_and_reach_its_ends():
    clip = TrainClip(clip_len=4, fps=8)
    drawn = [train_frames(clip, 40, Draws(i), fps=30.0) for i in range(900)]
    assert {frames[0] for frames in drawn} == set(range(29))
    assert max(max(frames) for frames in drawn) == 39
    assert train_frames(clip, 5, Draws(1), fps=30.0) == [0, 3, 2, 1]  # too short: looped
    views = EvalViews(clip_len=4, fps=8, num_clips=3)
    assert [frames[0] for frames in eval_frames(views, 40, fps=30.0)] == [0, 14, 28]


@pytest.mark.parametrize("load", [ClipLoader, ViewLoader, ShardDataset])
def test_a_rate_above_the_stored_one_is_refused_at_once(shards, load):
    pace = {"clip_len": 2, "crop_size": 32, "fps": 31}
    arguments = {
        ClipLoader: {"clip": TrainClip(**pace), "batch_size": 2},
        ViewLoader: {"views": EvalViews(**pace)},
        ShardDataset: {"clip": TrainClip(**pace)},
    }[load]
    message = r"fps = 31 is more than the 30 frames a second that are stored.*Use a rate of at most 30"
    with pytest.raises(ValueError, match=message):
        load(shards, "train", **arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["fps=8", "duration_seconds=2"], "give one of 'frame_step', 'fps' and 'duration_seconds'"),
        (["fps=8", "frame_step=2"], "give one of"),
        (["fps=8", "temporal=uniform"], "'fps' belongs to temporal = \"dense\""),
        (["fps=0"], "train_clip.fps: Input should be greater than or equal to 0.01"),
        (["scale=[0.5, 0.2]"], "'scale' must be two shares of the area"),
        (["aspect_ratio=[0, 1]"], "'aspect_ratio' must be two ratios above 0"),
    ],
)
def test_what_contradicts_itself(settings, message):
    with pytest.raises(RecipeError, match=message):
        read_pipeline("ssv2", [f"train_clip.{setting}" for setting in settings])


def test_an_unknown_rate_is_said():
    with pytest.raises(ValueError, match="needs the rate of each stored video, and the index does not tell"):
        train_frames(TrainClip(fps=8), 40, Draws())


def test_random_resized_crops_are_uniform_in_area_and_log_ratio():
    clip = TrainClip(spatial="random_resized_crop", scale=(0.1, 0.5), aspect_ratio=(0.5, 2.0))
    boxes = [train_box(clip, 400, 300, Draws("crop", i)) for i in range(4000)]
    areas = np.array([box.width * box.height for box in boxes]) / (400 * 300)
    ratios = np.log([box.width / box.height for box in boxes])
    assert areas.min() > 0.095
    assert areas.max() < 0.505
    assert abs(areas.mean() - 0.3) < 0.01
    assert abs(ratios.mean()) < 0.03
    assert abs(ratios.std() - 2 * np.log(2) / np.sqrt(12)) < 0.02
    assert all(box.left + box.width <= 400 and box.top + box.height <= 300 for box in boxes)


@pytest.mark.parametrize(("size", "box"), [((400, 40), (0, 170, 40, 60)), ((40, 400), (170, 0, 60, 40))])
def test_where_no_box_fits_the_middle_is_taken(size, box):
    clip = TrainClip(spatial="random_resized_crop", scale=(1.0, 1.0), aspect_ratio=(2 / 3, 3 / 2))
    assert train_box(clip, *size, Draws()) == box


def test_pixels_of_a_resized_crop_against_a_slow_reference(shards):
    """Every frame decoded to RGB by PyAV, cut, resized and mirrored: the same within 2 levels."""
    clip = TrainClip(clip_len=3, fps=7, crop_size=96, spatial="random_resized_crop", flip="all")
    stored = ShardSet.open(shards).split("train")
    rows = {stored.video(row).key: row for row in range(NUM_TRAIN)}
    (batch,) = (
        b.clone() for b in ClipLoader(shards, clip=clip, batch_size=NUM_TRAIN, pixels="rgb", options=INLINE)
    )
    shown = to_rgb(batch)
    for i in range(0, NUM_TRAIN, 3):
        video = stored.video(rows[batch.key[i]])
        data = (shards / video.shard).read_bytes()[video.offset :][: video.size]
        with av.open(io.BytesIO(data)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        top, left, height, width = batch.box[i].tolist()
        for at, number in enumerate(batch.frame_indices[i].tolist()):
            cut = torch.from_numpy(frames[number][top : top + height, left : left + width].copy())
            levels = interpolate(
                cut.permute(2, 0, 1)[None].float(), (96, 96), mode="bilinear", antialias=True
            )
            expected = levels[0].flip(-1) if batch.flip[i] else levels[0]
            # At the edges of a box chroma is interpolated with what lies beyond it, or repeated.
            difference = (shown[i, at].float() - expected)[:, 2:-2, 2:-2].abs()
            assert difference.max() <= 2.5


@pytest.mark.parametrize("world_size", [1, 2])
def test_several_clips_from_one_decode(shards, world_size):
    clip = TrainClip(clip_len=2, crop_size=32, flip="all")
    three = clip.model_copy(update={"clips_per_video": 3})
    one = {
        batch.key[0]: batch.clone()
        for batch in ClipLoader(shards, clip=clip, batch_size=1, seed=2, options=INLINE)
    }
    seen = []
    for rank in range(world_size):
        loader = ClipLoader(
            shards,
            clip=three,
            batch_size=12,
            seed=2,
            options=INLINE,
            rank=rank,
            world_size=world_size,
            drop_last=False,
        )
        for batch in loader:
            for first in range(0, len(batch), 3):
                assert len(set(batch.key[first : first + 3])) == 1
                alone = one[batch.key[first]]
                # The first clip is the one that there is when it is the only one; the others are others.
                assert torch.equal(batch.video[first], alone.video[0])
                seen.append((batch.key[first], batch.frame_indices[first : first + 3].tolist()))
    assert sorted(key for key, _ in seen) == sorted(one)
    different = sum(len({tuple(frames) for frames in of_video}) > 1 for _, of_video in seen)
    assert different > 20


def test_clips_of_a_video_divide_the_batch(shards):
    clip = TrainClip(clip_len=2, crop_size=32, clips_per_video=2)
    with pytest.raises(ValueError, match=r"multiple of world_size \* clips_per_video = 4, got 6"):
        ClipLoader(shards, clip=clip, batch_size=6, world_size=2)


def test_samples_of_several_clips(shards):
    clip = TrainClip(clip_len=2, crop_size=32, clips_per_video=2)
    sample = ShardDataset(shards, clip=clip)[1]
    assert sample["video"].shape == (2, 2, 32, 32, 3)
    assert sample["label"].tolist() == [1, 1]


def test_clips_of_the_same_frames_are_cut_each_in_its_own_way(shards):
    clip = TrainClip(clip_len=3, crop_size=32, clips_per_video=2, same_frames=True, flip="all")
    options = {"batch_size": 8, "seed": 5, "options": INLINE}
    own = clip.model_copy(update={"same_frames": False})
    for batch, other in zip(
        ClipLoader(shards, clip=clip, **options), ClipLoader(shards, clip=own, **options), strict=True
    ):
        assert torch.equal(batch.frame_indices[::2], batch.frame_indices[1::2])
        assert torch.equal(batch.frame_indices[::2], other.frame_indices[::2])
        assert not torch.equal(batch.frame_indices[1::2], other.frame_indices[1::2])
        assert torch.equal(batch.box, other.box) and torch.equal(batch.flip, other.flip)
        assert torch.equal(to_rgb(batch)[::2], to_rgb(other)[::2])
        assert not torch.equal(batch.box[::2], batch.box[1::2])
    assert "same_frames" not in own.model_dump() and clip.model_dump()["same_frames"]
