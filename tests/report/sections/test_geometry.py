"""What the page shows of clips and crops is what the loaders give."""

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from tests.helpers.runs.report_material import write_shards
from vidprep.load import ClipLoader, LoaderOptions, ViewLoader
from vidprep.load.sampling.views import Box
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.report.drawing.geometry_drawing import ClipRow, crops_overlay, time_axis
from vidprep.report.drawing.videos import VideoReader
from vidprep.report.sections.geometry import NUM_EPOCHS, choose, clip_geometry, train_draws
from vidprep.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def shards(work):
    return ShardSet.open(work / "shards")


def test_training_draws_are_those_of_the_loader(work, shards):
    clip = TrainClip(clip_len=8, crop_size=64, temporal="uniform")
    part = shards.split("train")
    videos = {part.video(row).key: part.video(row) for row in range(len(part))}
    options = LoaderOptions(num_workers=0)
    loader = ClipLoader(work / "shards", "train", clip=clip, batch_size=len(part), options=options)
    for epoch in range(2):
        loader.set_epoch(epoch)
        (batch,) = list(loader)
        for key, frames, box in zip(batch.key, batch.frame_indices.tolist(), batch.box.tolist(), strict=True):
            drawn_frames, drawn_box = train_draws(clip, videos[key], 30.0, epoch)
            assert (frames, box) == (drawn_frames, list(drawn_box))


def test_views_are_those_of_the_loader(work, shards):
    geometry = clip_geometry(shards, VideoReader(shards), 1_000_000)
    views = EvalViews()  # the recipe of the set names none
    loader = ViewLoader(work / "shards", "train", views=views, options=LoaderOptions(num_workers=0))
    shown = {sample.key: sample for sample in geometry.samples}
    compared = 0
    for batch in loader:
        if (sample := shown.get(batch.key[0])) is None:
            continue
        numbers = dict(sample.all_frames)
        for clip in range(views.num_clips):
            view = clip * views.num_crops
            assert numbers[f"clip {clip}"] == " ".join(map(str, batch.frame_indices[view].tolist()))
        places = [place.replace("\u2060", "").replace("\u00a0", " ") for place, _ in sample.crops]
        for crop, (top, left, height, width) in enumerate(batch.box[: views.num_crops].tolist()):
            assert places[crop] == f"x {left}–{left + width - 1}, y {top}–{top + height - 1}"
        compared += 1
    assert compared == len(shown) == 4


def test_the_samples_are_special(shards):
    part = shards.split("train")
    chosen = {why: part.video(row) for why, row in choose(part).items()}
    assert list(chosen) == ["a typical one", "the shortest", "the widest", "the tallest"]
    assert (chosen["a typical one"].width, chosen["a typical one"].num_frames) == (340, 60)
    assert chosen["the shortest"].num_frames == 20
    assert chosen["the widest"].width == 456
    assert chosen["the tallest"].height == 340


def test_one_video_may_be_special_in_every_way(tmp_path):
    root = write_shards(tmp_path / "set", tmp_path, lengths=(40,), names=("one",))
    shards = ShardSet.open(root)
    (sample,) = clip_geometry(shards, VideoReader(shards), 1_000_000).samples
    assert sample.why == "a typical one"
    assert len(sample.train) == NUM_EPOCHS
    assert [place.replace("\u2060", "").replace("\u00a0", " ") for place, _ in sample.crops] == [
        "x 0–255, y 0–255",
        "x 42–297, y 0–255",
        "x 84–339, y 0–255",
    ]


def test_a_looped_clip_is_a_bar_for_each_pass():
    row = ClipRow("clip 0", [*range(20), *range(12)], 0, True)
    assert row.text() == "0–19, ×2"
    assert [part[-1] for part in row.passes()] == [19, 11]
    drawn = time_axis([row], 20)
    assert drawn.count('class="f0"') == 2
    assert "frame (of 20)" in drawn


@pytest.mark.parametrize("size", [(128, 72), (340, 256), (72, 128), (1920, 1080)])
def test_names_and_outlines_of_crops_fit_into_frames_of_any_size(size):
    width, height = size
    side = min(size)
    boxes = [Box(0, 0, side, side), Box(height - side, width - side, side, side)] * 3
    drawn = ET.fromstring(crops_overlay(boxes, [str(number) for number in range(6)], *size))
    _, _, across, down = map(float, drawn.get("viewBox").split())
    assert across / down == pytest.approx(width / height, rel=1e-3)
    for rect in drawn.iter("rect"):
        x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        assert min(x, y) >= 0
        assert x + w <= across + 0.1
        assert y + h <= down + 0.1
    outlines = [rect for rect in drawn.iter("rect") if rect.get("class") == "box l1"]
    assert [float(outlines[0].get(name)) / across for name in ("x", "width")] == pytest.approx(
        [(width - side) / width, side / width], abs=1e-3
    )


def test_a_single_frame_is_looped_and_uniform_repeats_are_not():
    assert ClipRow("clip 0", [0] * 32, 0, True).text() == "0, ×32"
    repeated = ClipRow("clip 0", [0, 0, 1, 1, 2, 2], 0, False)
    assert repeated.text() == "0–2"
    assert len(repeated.passes()) == 1


def test_frames_apart_are_ticks_with_their_numbers():
    drawn = time_axis([ClipRow("epoch 0", [0, 3, 9], 0, False), ClipRow("clip 0", [0, 4], 1, True)], 12)
    assert drawn.count('class="f0"') == 3
    assert drawn.count('class="f1"') == 2
    assert "frames 0, 3, 9" in drawn


def test_a_video_that_does_not_decode_is_named_and_its_numbers_are_shown(tmp_path):
    root = write_shards(tmp_path / "set", tmp_path, lengths=(40,), names=("one",))
    shards = ShardSet.open(root)
    video = shards.split("train").video(0)
    with (root / video.shard).open("r+b") as tar:
        tar.seek(video.offset + video.size // 2)
        tar.write(b"\0" * 100)
    (sample,) = clip_geometry(shards, VideoReader(shards), 1_000_000).samples
    assert sample.frame is None
    assert "train-v0" in sample.problem
    assert len(sample.all_frames) == NUM_EPOCHS + 3


def test_a_crop_that_does_not_fit_is_a_note(tmp_path):
    shards = ShardSet.open(write_shards(tmp_path / "set", tmp_path, lengths=(40,), names=("one",)))
    assert shards.manifest is not None
    views = EvalViews(crop_size=300)
    recipe = shards.manifest.recipe.model_copy(update={"eval_views": views})
    changed = dataclasses.replace(shards, manifest=shards.manifest.model_copy(update={"recipe": recipe}))
    geometry = clip_geometry(changed, VideoReader(changed), 1_000_000)
    assert geometry.samples == []
    assert "crop_size 300 does not fit into a 340x256 frame" in geometry.notes[0]
