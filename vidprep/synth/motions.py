"""What moves in which class: one table per dataset, class name -> flow of the scene.

A scene is eleven numbers, each on a circle: 1 is 0 again. A start is drawn uniformly, for every class alike,
and a class carries it along a flow that keeps the uniform distribution (a shift by something that depends on
time alone does, and so does `_gap`). Hence ONE frame has the same distribution in every class: only motion
tells them apart.
"""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vidprep.recipes.manifests import dataset_names, read_dataset

FloatArray = NDArray[np.float64]
State = dict[str, FloatArray]
Motion = Callable[[State, FloatArray], State]

# The camera, then two textured objects. x grows to the right, y downwards, turns are clockwise.
DIMENSIONS = (
    *("pan_x", "pan_y", "zoom"),
    *("a_x", "a_y", "a_size", "a_turn"),
    *("b_x", "b_y", "b_size", "b_turn"),
)

# In short sides (or sweeps of the range of sizes) per second: 0.6 of the frame in 16 frames at 12 fps.
_SPEED = 0.45


def draw_start(rng: np.random.Generator) -> State:
    """Return a scene drawn uniformly, the same way for every class."""
    return {
        name: np.asarray(value) for name, value in zip(DIMENSIONS, rng.random(len(DIMENSIONS)), strict=True)
    }


def drawable_classes(dataset: str) -> tuple[str, ...]:
    """Return the class names that can be drawn, the clearest motions first.

    Raises:
        ValueError: If there is no such dataset.
    """
    return tuple(motions_of(dataset))


@functools.cache
def motions_of(dataset: str) -> dict[str, Motion]:
    """Return the motion of each class that can be drawn.

    Classes of SSv2 and Kinetics-400 move as they are called. Those of the other datasets, the first ones in
    label order, borrow the motions of Kinetics-400's: they test how files and lists look.

    Raises:
        ValueError: If there is no such dataset.
    """
    if dataset in MOTIONS:
        return MOTIONS[dataset]
    if dataset not in dataset_names():
        raise ValueError(f"dataset must be one of {', '.join(dataset_names())}, got '{dataset}'.")
    return dict(zip(read_dataset(dataset).labels.classes, K400_MOTIONS.values(), strict=False))


def _moved(state: State, **by: FloatArray) -> State:
    return state | {name: (state[name] + shift) % 1.0 for name, shift in by.items()}


def _camera_zoom(s: State, t: FloatArray) -> State:
    return _moved(s, zoom=t, a_size=t, b_size=t)


def _camera_pan(s: State, t: FloatArray) -> State:
    """Turn the camera: all things shift alike. `pan_x` counts in textures, which are two short sides wide."""
    return _moved(s, pan_x=t / 2, a_x=-t, b_x=-t)


def _gap(s: State, t: FloatArray) -> State:
    """Widen the gap between the objects by `t` of its range, along the line between them.

    The square of the gap is what moves: area is then swept evenly, and the position of B seen from A stays
    uniform over the square torus.
    """
    dx, dy = ((s[f"b_{axis}"] - s[f"a_{axis}"] + 0.5) % 1.0 - 0.5 for axis in "xy")
    gap = np.maximum(np.maximum(np.abs(dx), np.abs(dy)), 1e-9)
    half = (0.5 * np.sqrt((4.0 * gap**2 + t) % 1.0) / gap - 1.0) / 2.0
    return _moved(s, a_x=-dx * half, a_y=-dy * half, b_x=dx * half, b_y=dy * half)


def _circle(t: FloatArray, *, radius: float) -> tuple[FloatArray, FloatArray]:
    return radius * np.cos(2 * np.pi * t), radius * np.sin(2 * np.pi * t)


def _sway(t: FloatArray, *, by: float) -> FloatArray:
    return by * np.sin(2 * np.pi * t)


def _repeated(t: FloatArray, path: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Repeat a path over [0, 1), each time from where it has led."""
    once = path(np.asarray(1.0)) - path(np.asarray(0.0))
    return np.floor(t) * once + path(t % 1.0)


def _still_spinning(f: FloatArray) -> FloatArray:
    return 0.5 * (1.0 - np.exp(-3.0 * f))


# All of them lie in Mini-SSv2. `t` runs in seconds, times the pace of the video.
SSV2_MOTIONS: dict[str, Motion] = {
    "Pulling something from right to left": lambda s, t: _moved(s, a_x=-_SPEED * t),
    "Pushing something from left to right": lambda s, t: _moved(s, a_x=_SPEED * t),
    "Moving something towards the camera": lambda s, t: _moved(s, a_size=_SPEED * t),
    "Moving something away from the camera": lambda s, t: _moved(s, a_size=-_SPEED * t),
    "Approaching something with your camera": lambda s, t: _camera_zoom(s, _SPEED * t),
    "Moving away from something with your camera": lambda s, t: _camera_zoom(s, -_SPEED * t),
    "Moving something and something closer to each other": lambda s, t: _gap(s, -_SPEED * t),
    "Moving something and something away from each other": lambda s, t: _gap(s, _SPEED * t),
    "Picking something up": lambda s, t: _moved(s, a_y=-_SPEED * t),
    "Something falling like a rock": lambda s, t: _moved(s, a_y=_repeated(t / 1.5, lambda f: f**2)),
    "Turning the camera right while filming something": lambda s, t: _camera_pan(s, _SPEED * t),
    "Spinning something that quickly stops spinning": lambda s, t: _moved(
        s, a_turn=_repeated(t / 1.5, _still_spinning)
    ),
    "Moving something and something so they pass each other": lambda s, t: _moved(
        s, a_x=_SPEED * t, b_x=-_SPEED * t
    ),
    "Something falling like a feather or paper": lambda s, t: _moved(
        s, a_y=0.2 * t, a_x=_sway(t / 1.2, by=0.15), a_turn=_sway(t / 1.2, by=0.08)
    ),
    "Pushing something so it spins": lambda s, t: _moved(s, a_x=0.25 * t, a_turn=0.6 * t),
    "Throwing something in the air and catching it": lambda s, t: _moved(
        s, a_y=_repeated(t / 1.3, lambda f: -2.0 * f * (1.0 - f))
    ),
    "Twisting something": lambda s, t: _moved(s, a_turn=_sway(t / 0.9, by=0.12)),
    "Holding something next to something": lambda s, t: _moved(s, a_x=0.0 * t),
}

# All of them lie in Mini-K400.
K400_MOTIONS: dict[str, Motion] = {
    "pushing cart": lambda s, t: _moved(s, a_x=_SPEED * t, b_x=_SPEED * t),
    "driving car": lambda s, t: _moved(s, zoom=_SPEED * t),
    "bouncing on trampoline": lambda s, t: _moved(s, a_y=-0.5 * np.abs(np.sin(np.pi * t))),
    "somersaulting": lambda s, t: _moved(s, a_x=0.3 * t, a_turn=0.7 * t),
    "springboard diving": lambda s, t: _moved(
        s, a_y=_repeated(t / 1.6, lambda f: f * (2.0 * f - 1.0)), a_turn=_repeated(t / 1.6, lambda f: f**2)
    ),
    "flying kite": lambda s, t: _moved(
        s, a_x=_circle(t / 2.0, radius=0.2)[0], a_y=_circle(t / 2.0, radius=0.2)[1]
    ),
    "swing dancing": lambda s, t: _moved(
        s,
        a_x=_circle(t / 1.6, radius=0.18)[0],
        a_y=_circle(t / 1.6, radius=0.18)[1],
        b_x=-_circle(t / 1.6, radius=0.18)[0],
        b_y=-_circle(t / 1.6, radius=0.18)[1],
    ),
    "situp": lambda s, t: _moved(s, a_turn=_sway(t / 1.4, by=0.12)),
    "riding a bike": lambda s, t: _moved(s, pan_x=_SPEED / 2 * t),
    "climbing a rope": lambda s, t: _moved(s, a_y=-0.35 * t + _sway(t / 0.8, by=0.04)),
    "skiing slalom": lambda s, t: _moved(s, a_y=0.35 * t, a_x=_sway(t / 1.3, by=0.2)),
    "cartwheeling": lambda s, t: _moved(s, a_x=-0.3 * t, a_turn=-0.7 * t),
    "bowling": lambda s, t: _moved(s, a_y=-0.25 * t, a_size=-_SPEED * t),
    "sweeping floor": lambda s, t: _moved(s, a_x=_sway(t, by=0.15)),
}

MOTIONS: dict[str, dict[str, Motion]] = {"ssv2": SSV2_MOTIONS, "k400": K400_MOTIONS}
