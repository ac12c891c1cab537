"""What is drawn: single frames tell nothing about the class, motion does."""

import numpy as np
import pytest

from vidprep.synth.motions import MOTIONS, drawable_classes
from vidprep.synth.scene import LARGE_OBJECTS, _draw_object, draw_video

CLASSES = drawable_classes("ssv2")[:12]
PER_CLASS, NUM_FRAMES, SIZE = 60, 6, (86, 48)
CHANCE = 1 / len(CLASSES)


@pytest.fixture(scope="module")
def videos():
    """(class, video, T, H, W, RGB), in [0, 1]."""
    rng, seconds = np.random.default_rng(7), np.arange(NUM_FRAMES) / 12
    drawn = [
        [draw_video(MOTIONS["ssv2"][name], seconds, SIZE, rng)[..., :3] for _ in range(PER_CLASS)]
        for name in CLASSES
    ]
    return np.asarray(drawn, np.float32) / 255


def test_single_frames_are_at_chance(videos):
    middle = videos[:, :, NUM_FRAMES // 2]
    small = middle[:, :, :48, :84].reshape(len(CLASSES), PER_CLASS, 12, 4, 21, 4, 3).mean(axis=(3, 5))
    features = small.reshape(len(CLASSES), PER_CLASS, -1)
    deviation = np.sqrt(CHANCE * (1 - CHANCE) / (len(CLASSES) * PER_CLASS / 2))
    for accuracy in (_nearest_centroid(features), _linear(features)):
        assert abs(accuracy - CHANCE) < 4 * deviation


def test_motion_is_far_above_chance(videos):
    assert _nearest_centroid(_flow_features(videos.mean(axis=-1))) > 4 * CHANCE


@pytest.mark.parametrize(
    ("one", "other", "axis"),
    [
        ("Pulling something from right to left", "Pushing something from left to right", 0),
        ("Picking something up", "Something falling like a rock", 1),
    ],
)
def test_opposite_directions_have_opposite_flow(videos, one, other, axis):
    flow = _flow_features(videos.mean(axis=-1))[..., axis]
    right = np.concatenate([flow[CLASSES.index(one)] < 0, flow[CLASSES.index(other)] > 0])
    assert right.mean() > 0.85


def test_still_scene_changes_in_grain_only():
    frames = _draw("Holding something next to something").astype(int)
    assert np.abs(np.diff(frames, axis=0)).max() < 8


@pytest.mark.parametrize("size", [(96, 48), (48, 96)])
def test_every_square_crop_holds_the_whole_object(size):
    """What is drawn repeats after one short side, in landscape and portrait."""
    frame = np.zeros(size[::-1], np.uint32)
    sprite = np.full((8, 8), 0xFF0000FF, np.uint32)
    _draw_object(frame, {"x": 0.9, "y": 0.1, "size": 0.5, "turn": 0.3}, sprite, LARGE_OBJECTS)
    for axis, shift in enumerate((48, 48)):
        np.testing.assert_array_equal(frame, np.roll(frame, shift, axis))
    assert (frame[:48, :48] > 0).sum() == 38**2  # once, whole: 0.8 of the short side each way


def test_same_seed_same_frames():
    name = "Something falling like a rock"
    np.testing.assert_array_equal(_draw(name), _draw(name))
    assert not np.array_equal(_draw(name), _draw(name, seed=4))


def _draw(name, *, seed=3):
    return draw_video(MOTIONS["ssv2"][name], np.arange(4) / 12, SIZE, np.random.default_rng(seed))[..., :3]


def _flow_features(grey):
    """Return signed and unsigned sums of (time derivative x space derivative): (class, video, features)."""
    dt = np.diff(grey, axis=2)
    mean = (grey[:, :, 1:] + grey[:, :, :-1]) / 2
    dx, dy = np.gradient(mean, axis=4), np.gradient(mean, axis=3)
    texture = (dx**2 + dy**2).mean(axis=(2, 3, 4))
    x, y = ((-dt * d).mean(axis=(2, 3, 4)) / texture for d in (dx, dy))
    spread = [(np.abs(dt * d).mean(axis=(2, 3, 4)) / texture) for d in (dx, dy)]
    moved = [(np.abs(dt) > level).mean(axis=(2, 3, 4)) for level in (0.03, 0.1)]
    return np.stack([x, y, *spread, *moved], axis=-1)


def _split(features):
    half = features.shape[1] // 2
    train = features[:, :half]
    middle, scale = train.mean(axis=(0, 1)), train.std(axis=(0, 1)) + 1e-6
    return (train - middle) / scale, (features[:, half:] - middle) / scale


def _nearest_centroid(features):
    train, test = _split(features)
    distances = ((test[:, :, None] - train.mean(axis=1)) ** 2).sum(axis=-1)
    return float((distances.argmin(axis=-1) == np.arange(len(test))[:, None]).mean())


def _linear(features):
    """Ridge regression on one-hot classes."""
    train, test = _split(features)
    flat = train.reshape(-1, train.shape[-1])
    targets = np.repeat(np.eye(len(train)), train.shape[1], axis=0)
    weights = flat.T @ np.linalg.solve(flat @ flat.T + 100.0 * np.eye(len(flat)), targets)
    return float(((test @ weights).argmax(axis=-1) == np.arange(len(test))[:, None]).mean())
