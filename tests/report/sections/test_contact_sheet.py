"""Clips of the classes: which frames, how large, what becomes of broken ones."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.helpers.runs.report_material import write_shards
from tests.helpers.sets.numbered import BITS, STRIPE
from vidprep.report.drawing.images import Embedded, embed_figure
from vidprep.report.drawing.videos import VideoReader
from vidprep.report.sections.contact_sheet import QUALITIES, ClassVideo, clip_frames, contact_sheet
from vidprep.shards.shard_set import ShardSet


def classes_of(shards):
    part = shards.split("train")
    return [ClassVideo(f"class {row}", part.video(row), 30.0) for row in range(len(part))]


def pixels(embedded: Embedded):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(embedded.uri.split(",")[1]))).convert("L"))


def number_of(tile):
    """The number of a frame that was shrunk as a whole."""
    rows = [(stripe * STRIPE + STRIPE / 2) * len(tile) / 256 for stripe in range(BITS)]
    return sum(int(tile[int(row), 20:-20].mean() > 110) << bit for bit, row in enumerate(rows))


@pytest.mark.parametrize(
    ("num_frames", "fps", "num_shown", "frames"),
    [
        (300, 30.0, 4, [123, 141, 159, 177]),
        (12, 12.0, 12, list(range(12))),
        (1, 30.0, 3, [0, 0, 0]),
        (2, 0.0, 4, [0, 1, 0, 1]),
        (100, 30.0, 1, [50]),
    ],
)
def test_clip_frames(num_frames, fps, num_shown, frames):
    assert clip_frames(num_frames, fps, num_shown) == frames


def test_a_strip_holds_the_frames_of_the_clip_side_by_side(work):
    shards = ShardSet.open(work / "shards")
    done = []
    classes = classes_of(shards)[:1]
    sheet = contact_sheet(VideoReader(shards), classes, 1_000_000, lambda *at: done.append(at))
    (tile,) = sheet.tiles
    strip = pixels(tile.strip)
    assert strip.shape == (112, 12 * 149)
    numbers = [number_of(strip[:, at * 149 : (at + 1) * 149]) for at in range(12)]
    assert numbers == clip_frames(60, 30.0, 12)
    assert not sheet.is_reduced
    assert done == [(1, 1)]


def test_a_small_budget_makes_clips_smaller_and_then_fewer(work):
    shards = ShardSet.open(work / "shards")
    classes = classes_of(shards)
    sizes = []
    for max_chars in (100_000, 18_000, 9_000):
        sheet = contact_sheet(VideoReader(shards), classes, max_chars, lambda *at: None)
        used = sum(len(tile.strip.uri) for tile in sheet.tiles)
        assert used <= max_chars
        sizes.append((QUALITIES.index(sheet.quality), sheet.num_left_out))
        assert sheet.is_reduced == (sizes[-1] != (0, 0))
    assert sizes[0] == (0, 0)
    assert sizes[0][0] < sizes[1][0] < sizes[2][0]
    tiny = contact_sheet(VideoReader(shards), classes, 1_000, lambda *at: None)
    assert tiny.num_left_out == len(classes) - len(tiny.tiles) > 0


def test_a_damaged_video_leaves_a_hole_that_says_so(tmp_path):
    root = write_shards(tmp_path / "set", tmp_path, lengths=(40, 40), names=("a", "b"))
    shards = ShardSet.open(root)
    video = shards.split("train").video(1)
    with (root / video.shard).open("r+b") as tar:
        tar.seek(video.offset + video.size // 2)
        tar.write(b"\0" * 100)
    sheet = contact_sheet(VideoReader(shards), classes_of(shards), 1_000_000, lambda *at: None)
    assert [tile.strip is None for tile in sheet.tiles] == [False, True]
    assert "train-v1" in sheet.tiles[1].problem


def test_a_figure_is_kept_recompressed_or_left_out(work, tmp_path):
    path = work / "analysis" / "erf" / "time.png"
    kept = embed_figure(path, 10_000_000)
    assert base64.b64decode(kept.uri.split(",")[1]) == path.read_bytes()
    smaller = embed_figure(path, 300_000)
    assert smaller.uri.startswith("data:image/webp")
    assert len(smaller.uri) <= 300_000
    assert (smaller.width, smaller.height) == (900, 400)
    assert embed_figure(path, 100) is None
    broken = tmp_path / "broken.png"
    broken.write_bytes(path.read_bytes()[:500])
    assert embed_figure(broken, 10_000_000) is None
