"""Clips as moving pictures: the pixels of the batch in a grid, in a notebook and in files that open again."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

import vidprep
from vidprep.load import ClipLoader, DictOutput, LoaderOptions, to_network_input
from vidprep.load.showing import show
from vidprep.load.transforms import to_rgb
from vidprep.recipes.recipe import TrainClip

CLIP = TrainClip(clip_len=3, crop_size=64, flip="all")


def loader(shards, **changes):
    return ClipLoader(shards, clip=CLIP, batch_size=5, options=LoaderOptions(num_workers=0), **changes)


@pytest.fixture
def batch(shards):
    return next(iter(loader(shards))).clone()


def cells(shown, number, columns):
    """The clips of a grid."""
    return [
        shown.frames[:, i // columns * 80 :][:, :64, i % columns * 66 :][:, :, :64] for i in range(number)
    ]


def test_a_batch_is_shown_as_it_is(batch):
    shown = vidprep.show(batch, columns=2)
    assert shown.frames.shape == (3, 3 * 80, 2 * 66, 3)
    for cell, clip in zip(cells(shown, 5, 2), to_rgb(batch), strict=True):
        assert np.array_equal(cell, clip.permute(0, 2, 3, 1))
    assert shown.captions == tuple(
        f"{key}  {label}" for key, label in zip(batch.key, batch.label, strict=True)
    )
    assert repr(shown) == "Shown(5 clips, 3 frames of 132x240)"
    assert np.array_equal(batch.show().frames, show(batch).frames)


def test_dictionaries_and_network_inputs_are_shown_the_same(shards, batch):
    expected = show(batch)
    for output in (DictOutput(), DictOutput(layout="BTCHW", dtype=torch.float32)):
        given = next(iter(loader(shards, output=output)))
        shown = show(given, layout=output.layout)
        assert np.array_equal(shown.frames[:, :64], expected.frames[:, :64])
    bare = show(to_network_input(batch), layout="BCTHW", max_clips=2)
    assert bare.captions == ("0", "1")
    assert np.array_equal(cells(bare, 2, 2)[1], cells(expected, 5, 3)[1])


def test_captions_have_names_of_classes(batch):
    names = ["zero", "one", "two", "three"]
    assert show(batch, class_names=names).captions[0].split("  ")[1] == names[int(batch.label[0])]


def test_a_notebook_gets_an_image(batch):
    html = show(batch)._repr_html_()
    assert html.startswith('<img src="data:image/webp;base64,')
    assert "train-v" in html


@pytest.mark.parametrize("suffix", ["gif", "webp", "mp4"])
def test_moving_files_have_every_frame(batch, tmp_path, suffix):
    shown = batch.show(fps=5)
    path = shown.save(tmp_path / f"clips.{suffix}")
    if suffix == "mp4":
        with av.open(path) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    else:
        image = Image.open(path)
        assert image.n_frames == 3
        frames = []
        for number in range(3):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
        image.close()
    assert len(frames) == 3
    assert np.abs(frames[1].astype(int) - shown.frames[1]).mean() < 8


def test_a_png_has_the_frames_below_each_other(batch, tmp_path):
    shown = batch.show()
    with Image.open(shown.save(tmp_path / "clips.png")) as image:
        assert np.array_equal(np.asarray(image), shown.frames.reshape(-1, *shown.frames.shape[2:]))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda b: b.show().save("clips.avi"), r"clips.avi must end in .gif, .webp, .mp4 or .png"),
        (lambda b: show(b.rows(0, 0)), "There are no clips to show"),
        (lambda b: show(torch.zeros(3, 8, 64, 64)), r"got \(3, 8, 64, 64\). Add the axis that is missing"),
        (lambda b: show(to_network_input(b)), 'Both 3 frames and 3 colours: say layout="BCTHW" or'),
        (lambda b: show(b, max_clips=0), "must be above 0, got 0"),
    ],
)
def test_what_cannot_be_shown(batch, use, message):
    with pytest.raises(ValueError, match=message):
        use(batch)
