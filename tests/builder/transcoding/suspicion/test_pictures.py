"""What looks damaged, and what does not: made frames first, then real damage."""

import av
import numpy as np
import pytest

from tests.helpers.paths import REAL_DATA
from vidprep.builder.transcoding.suspicion.pictures import PictureWatcher
from vidprep.builder.transcoding.suspicion.straight_edges import find_edges
from vidprep.builder.transcoding.transcode import check_stored, transcode
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode

WIDTH, HEIGHT, NUM_FRAMES = 320, 256, 30


def moving_scene(noise=2):
    """Frames of soft hills that pass by, with a bit of a camera's noise."""
    draws = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(WIDTH + NUM_FRAMES * 4), np.arange(HEIGHT))
    hills = 120 + 50 * np.sin(x / 37) * np.cos(y / 29) + 20 * np.sin(x / 11 + y / 17)
    frames = [hills[:, 4 * number : 4 * number + WIDTH] for number in range(NUM_FRAMES)]
    return [np.clip(frame + draws.normal(0, noise, frame.shape), 0, 255).astype(np.uint8) for frame in frames]


def suspicion(frames, source_size=(WIDTH, HEIGHT), chroma=(110, 140)):
    """What is said of luma planes; `chroma` is that of all pixels, or one pair a frame."""
    watcher = PictureWatcher(source_size)
    pairs = chroma if isinstance(chroma, list) else [chroma] * len(frames)
    for number, (luma, (blue, red)) in enumerate(zip(frames, pairs, strict=True)):
        half = np.ones((HEIGHT // 2, WIDTH // 2), np.uint8)
        planes = np.concatenate([luma.ravel(), (half * blue).ravel(), (half * red).ravel()])
        frame = av.VideoFrame.from_ndarray(planes.reshape(HEIGHT * 3 // 2, WIDTH), "yuv420p")
        watcher.see(number, frame)
    return watcher.suspicion()


def with_blocks(frames, first, pitch, *, count=60):
    """Frames in which blocks of a coding grid turn to nonsense from a frame on."""
    draws = np.random.default_rng(1)
    frames = [frame.copy() for frame in frames]
    for _ in range(count):
        row, column = draws.integers(0, HEIGHT // pitch), draws.integers(0, WIDTH // pitch)
        level = draws.integers(20, 230)
        for frame in frames[first:]:
            frame[row * pitch : (row + 1) * pitch, column * pitch : (column + 1) * pitch] = level
    return frames


def test_a_moving_scene_is_not_suspect():
    assert suspicion(moving_scene()) == ("", 0)


def test_a_cut_to_another_scene_is_not_suspect():
    frames = moving_scene()
    assert suspicion(frames[:15] + [255 - frame[::-1] for frame in frames[15:]]) == ("", 0)


@pytest.mark.parametrize(
    ("pitch", "source_size"), [(16, (WIDTH, HEIGHT)), (8, (WIDTH, HEIGHT)), (32, (160, 128))]
)
def test_blocks_on_the_coding_grid_are_block_noise(pitch, source_size):
    assert suspicion(with_blocks(moving_scene(), 12, pitch), source_size) == ("block_noise", 12)


def test_straight_edges_beside_the_grid_are_not_suspect():
    frames = [np.roll(frame, (3, 5), axis=(0, 1)) for frame in with_blocks(moving_scene(), 12, 16, count=20)]
    assert suspicion(frames) == ("", 0)


def with_blocks_in(*numbers):
    """Frames of which some have a block on the coding grid."""
    frames = moving_scene()
    for number in numbers:
        frames[number] = with_blocks(frames[number : number + 1], 0, 8, count=1)[0]
    return frames


def test_two_frames_far_apart_with_edges_on_the_grid_are_chance():
    assert suspicion(with_blocks_in(4)) == ("", 0)
    assert suspicion(with_blocks_in(4, 26)) == ("", 0)
    assert suspicion(with_blocks_in(4, 9)) == ("block_noise", 4)


def small(frames):
    """What a watcher says of frames cut down to 128x72, stored of 512x288."""
    watcher = PictureWatcher((512, 288))
    for number, frame in enumerate(frames):
        planes = np.concatenate([frame[:72, :128].ravel(), np.full(36 * 128, 120, np.uint8)])
        watcher.see(number, av.VideoFrame.from_ndarray(planes.reshape(108, 128), "yuv420p"))
    return watcher.suspicion()


def test_in_a_small_picture_a_corner_of_a_thing_that_jumps_is_no_block_noise():
    frames = moving_scene()
    for frame in frames[12:]:
        frame[24:32, 32:40] = 220
    assert small(frames) == ("", 0)
    assert small(with_blocks(moving_scene(), 12, 8, count=300)) == ("block_noise", 12)


def test_a_fill_of_grey_and_of_green():
    frames = moving_scene()
    grey = [frame.copy() for frame in frames]
    for frame in grey[10:]:
        frame[128:] = 128
    assert suspicion(grey, chroma=(128, 128)) == ("grey_fill", 10)
    assert suspicion(frames, chroma=[(110, 140)] * 20 + [(0, 0)] * 10) == ("green_fill", 20)


def test_a_picture_that_stands_still_to_the_end_is_frozen():
    frames = moving_scene()
    assert suspicion(frames[:10] + [frames[9]] * 20) == ("frozen", 9)
    assert suspicion([frames[0]] * 30) == ("", 0), "a still picture is one"
    assert suspicion(frames[:25] + [frames[24]] * 5) == ("", 0), "a short stop"


def test_a_tiny_video_and_one_of_unknown_size_are_looked_at_no_further():
    assert suspicion(with_blocks(moving_scene(), 12, 16), (0, 0)) == ("", 0)


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real videos at {REAL_DATA}")
def test_one_bit_of_a_real_video_spoils_it_and_is_suspect(tmp_path):
    settings = Transcode()
    source = REAL_DATA / "damaged/m000452.mp4"
    video = check_stored(transcode(source, tmp_path, settings, find_ffmpeg()), settings)
    assert (video.num_frames, video.suspect) == (30, "block_noise")
    assert "; suspect: block_noise from frame " in video.detail


def test_edges_are_found_as_they_are_defined():
    """A step of 20 levels between sides that are four times as flat, the same way in each of a run's rows."""
    blocks = np.random.default_rng(0).integers(0, 256, (6, 9))
    luma = np.kron(blocks, np.ones((8, 8), int)) + np.random.default_rng(1).integers(-6, 7, (48, 72))
    luma = np.clip(luma, 0, 255)
    expected = np.zeros((6, 65), bool)
    for run, column in np.ndindex(expected.shape):
        rows = [luma[row, column : column + 8] for row in range(8 * run, 8 * run + 8, 2)]
        steps = [row[5] - row[2] for row in rows]
        flat = [max(abs(row[2] - row[0]), abs(row[7] - row[5])) * 4 <= abs(row[5] - row[2]) for row in rows]
        large = all(abs(step) >= 20 for step in steps)
        expected[run, column] = all(flat) and large and len({step > 0 for step in steps}) == 1
    assert 20 < expected.sum() < expected.size / 2
    luma = luma.astype(np.uint8)
    assert np.array_equal(mask_of(find_edges(np.stack([luma[::-1], luma])))[1], expected)
    assert np.array_equal(mask_of(find_edges(np.stack([luma.T, luma.T[::-1]]), level=True))[0], expected)


def mask_of(edges):
    """(frames, runs, places): where edges are."""
    mask = np.zeros(edges.shape, bool)
    mask[edges.frames, edges.runs, edges.places] = True
    return mask


def test_an_edge_is_new_unless_one_was_near_it_in_the_frame_before():
    frames = np.full((3, 64, 96), 60, np.uint8)
    for frame, left in zip(frames, (20, 28, 48), strict=True):  # moves by 8 pixels, then by 20
        frame[8:24, left:] = 160
    edges = find_edges(frames)
    assert [places.tolist() for places in edges.new_ones(None)] == [[15, 16, 17] * 2, [], [43, 44, 45] * 2]
    assert [len(places) for places in find_edges(frames[1:]).new_ones(find_edges(frames[:1]))] == [0, 6]
