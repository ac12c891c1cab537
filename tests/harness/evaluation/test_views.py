"""The network sees the frames and pixels of the recipe's formulas, told from a slow reference.

The reference decodes a whole stored video with PyAV, converts every frame to RGB by FFmpeg, and slices by the
formulas of section 3 of the recipe, written down here a second time.
"""

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest

from tests.helpers.runs.small_evaluation import INLINE, video_bytes
from tests.helpers.sets.numbered import sample, write_shard_set
from vidprep.harness.evaluation.scores import centre_view
from vidprep.load import ViewLoader
from vidprep.load.transforms import to_network_input
from vidprep.recipes.recipe import EvalViews

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
# Three levels of 255, by which fast colour conversions differ, after normalisation.
TOLERANCE = 3.01 / 255 / STD.min()
# (frames, width, height); a clip of 8 frames, every second one, spans 15.
SHAPES = ((40, 114, 64), (25, 64, 90), (9, 64, 64), (5, 86, 64), (15, 90, 64))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Keys and bytes of five videos, and their shards."""
    folder = tmp_path_factory.mktemp("views")
    samples = [
        sample("validation", f"v{n}", 0, video_bytes(n, *shape, folder / "video.mp4"), *shape)
        for n, shape in enumerate(SHAPES)
    ]
    root = write_shard_set(folder / "set", samples, 5)
    return root, {f"validation-v{n}": item.video for n, item in enumerate(samples)}


def decode_all(video: bytes) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB."""
    with av.open(io.BytesIO(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def clips(views: EvalViews, n: int) -> list[list[int]]:
    num_clips, length = views.num_clips, views.clip_len
    if views.temporal == "uniform":
        return [
            [((2 * num_clips * i + 2 * k + 1) * n) // (2 * num_clips * length) for i in range(length)]
            for k in range(num_clips)
        ]
    span = (length - 1) * views.frame_step + 1
    starts = np.round(np.linspace(0, max(0, n - span), num_clips)).astype(int)
    return [[int(start + i * views.frame_step) % n for i in range(length)] for start in starts]


def corners(views: EvalViews, width: int, height: int) -> list[tuple[int, int]]:
    """(top, left) of each crop."""
    size, long_side = views.crop_size, max(width, height)
    along = [0, (long_side - size) // 2, long_side - size]
    across = (min(width, height) - size) // 2
    if views.crops == "ibm":
        along = [q * ((long_side - size) // 4) for q in (0, 4, 2)]
        across = (min(width, height) - size) // 4 * 2
    return [(across, at) if width >= height else (at, across) for at in along]


def reference(views: EvalViews, video: bytes) -> Iterator[np.ndarray]:
    """Each view in turn, (3, T, S, S), normalised."""
    frames = decode_all(video)
    size = views.crop_size
    for clip in clips(views, len(frames)):
        for top, left in corners(views, frames.shape[2], frames.shape[1]):
            seen = frames[clip, top : top + size, left : left + size]
            yield ((seen / 255 - MEAN) / STD).transpose(3, 0, 1, 2)


@pytest.mark.parametrize("temporal", ["dense", "uniform"])
@pytest.mark.parametrize(("num_clips", "frame_step"), [(3, 1), (10, 2)])
@pytest.mark.parametrize("crops", ["even", "ibm"])
def test_every_view_is_the_one_of_the_formulas(stored, temporal, num_clips, frame_step, crops):
    root, videos = stored
    views = EvalViews(
        clip_len=8, temporal=temporal, frame_step=frame_step, num_clips=num_clips, crop_size=62, crops=crops
    )
    seen = set()
    for batch in ViewLoader(root, "validation", views=views, options=INLINE):
        expected = np.stack(list(reference(views, videos[batch.key[0]])))
        found = to_network_input(batch, chroma="nearest").numpy()
        assert found.shape == expected.shape == (num_clips * 3, 3, 8, 62, 62)
        assert np.abs(found - expected).max() < TOLERANCE
        seen.add(batch.key[0])
    assert seen == videos.keys()


@pytest.mark.slow
def test_the_views_of_the_paper_at_full_size(tmp_path):
    """3 crops x 10 clips of 32 x 256 x 256, landscape, portrait and square."""
    shapes = ((300, 454, 256), (117, 256, 340), (40, 256, 256), (20, 340, 256))
    views = EvalViews(num_clips=10)
    for number, (frames, width, height) in enumerate(shapes):
        data = video_bytes(number, frames, width, height, tmp_path / "video.mp4")
        item = sample("validation", f"v{number}", 0, data, frames, width, height)
        root = write_shard_set(tmp_path / f"set{number}", [item], 1)
        (batch,) = (batch.clone() for batch in ViewLoader(root, "validation", views=views, options=INLINE))
        for view, expected in enumerate(reference(views, data)):
            found = to_network_input(batch.rows(view, view + 1), chroma="nearest").numpy()[0]
            assert np.abs(found - expected).max() < TOLERANCE
        assert view == 29


@pytest.mark.parametrize("crops", ["even", "ibm"])
def test_centre_view_is_cut_from_the_middle(stored, crops):
    root, _ = stored
    views = EvalViews(clip_len=8, num_clips=3, crop_size=50, crops=crops)
    batch = next(iter(ViewLoader(root, "validation", views=views, options=INLINE)))
    top, left, height, width = batch.box[centre_view(views)].tolist()
    assert (abs(left + width / 2 - 114 / 2) <= 2) and (abs(top + height / 2 - 64 / 2) <= 2)
    assert batch.frame_indices[centre_view(views)].tolist() == list(range(16, 24))  # the middle of 40


def test_rows_of_a_batch_are_its_clips(stored):
    root, _ = stored
    views = EvalViews(clip_len=4, crop_size=50)
    batch = next(iter(ViewLoader(root, "validation", views=views, options=INLINE)))
    part = batch.rows(4, 7)
    assert (len(batch), len(part), part.key) == (9, 3, batch.key[4:7])
    assert part.box.tolist() == batch.box[4:7].tolist()
    assert part.frame_indices.tolist() == batch.frame_indices[4:7].tolist()
    assert np.array_equal(to_network_input(part), to_network_input(batch)[4:7])
