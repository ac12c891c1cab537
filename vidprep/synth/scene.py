"""Draw a scene: a textured background and two textured objects on a square torus.

The torus is as wide as the short side of the frame and repeats along the long one, so that every square crop
of the frame shows both objects whole, wherever it lies. Arrays: frames are (T, H, W, 4) uint8 RGB and a byte
of padding; textures are uint32, one number a pixel, which makes a look-up four times as fast.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidprep.synth.motions import FloatArray, Motion, draw_start

Frames = NDArray[np.uint8]
Texture = NDArray[np.uint32]

# Smallest and largest radius of an object, in short sides. Large ones are learnt faster; in videos of
# hundreds of frames some of their edges would by chance jump as the blocks of a damaged video do.
LARGE_OBJECTS, SMALL_OBJECTS = (0.32, 0.5), (0.14, 0.36)
_MAX_ZOOM = 2.0
_SPRITE_SIDE = 128  # texture pixels
_NOISE_LEVELS = 8  # added to every pixel anew in every frame; colours leave room for them
_OPAQUE = np.uint32(0xFF000000)


@dataclass(frozen=True)
class Look:
    """What one video looks like; drawn in the same way for all classes.

    Attributes:
        background: Texture of two short sides squared, seamless at its edges.
        sprites: Textures of the objects A and B; the highest byte is 255 inside the object, 0 outside.
        noise: Random bytes from which each frame takes its noise.
        radii: Smallest and largest radius of an object, in short sides.
    """

    background: Texture
    sprites: tuple[Texture, Texture]
    noise: Frames
    radii: tuple[float, float]


def draw_video(
    motion: Motion,
    seconds: FloatArray,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    radii: tuple[float, float] = LARGE_OBJECTS,
) -> Frames:
    """Draw the frames of one video.

    Args:
        motion: The motion of a class, see `vidprep.synth.motions`.
        seconds: Time of each frame, (T,).
        size: Width and height in pixels.
        rng: Draws start and look.
        radii: Smallest and largest radius of an object, in short sides.

    Returns:
        (T, H, W, 4) uint8: red, green, blue and an unused byte.
    """
    width, height = size
    start, pace, phase = draw_start(rng), rng.uniform(0.85, 1.2), 10.0 * rng.random()
    look = _draw_look(min(size), 4 * width * height, radii, rng)
    states = motion(start, phase + pace * seconds)
    frames = np.empty((len(seconds), height, width), np.uint32)
    for number, frame in enumerate(frames):
        _draw_frame(frame, {name: float(v if v.ndim == 0 else v[number]) for name, v in states.items()}, look)
    pixels = frames.view(np.uint8).reshape(*frames.shape, 4)
    _add_grain(pixels, look.noise, rng)
    return pixels


def _draw_frame(frame: Texture, state: dict[str, float], look: Look) -> None:
    _draw_background(frame, state, look.background)
    for name, sprite in zip("ba", reversed(look.sprites), strict=True):
        of_object = {key[2:]: v for key, v in state.items() if key[:2] == f"{name}_"}
        _draw_object(frame, of_object, sprite, look.radii)


def _draw_background(frame: Texture, state: dict[str, float], texture: Texture) -> None:
    height, width = frame.shape
    side, zoom = len(texture), _MAX_ZOOM ** state["zoom"]
    rows = (np.arange(height) - height / 2) / zoom + state["pan_y"] * side
    columns = (np.arange(width) - width / 2) / zoom + state["pan_x"] * side
    frame[:] = texture[_whole(rows)[:, None] % side, _whole(columns) % side]


def _draw_object(
    frame: Texture, state: dict[str, float], sprite: Texture, radii: tuple[float, float]
) -> None:
    """Draw an object and its copies, which lie one short side apart."""
    height, width = frame.shape
    side, middle = min(height, width), len(sprite) / 2
    radius = side * radii[0] * (radii[1] / radii[0]) ** state["size"]
    dy = _torus_offset(np.arange(height) - state["y"] * side, side)
    dx = _torus_offset(np.arange(width) - state["x"] * side, side)
    rows, columns = np.flatnonzero(np.abs(dy) < radius), np.flatnonzero(np.abs(dx) < radius)
    y, x = dy[rows, None] * (middle / radius), dx[columns] * (middle / radius)
    cos, sin = np.cos(2 * np.pi * state["turn"]), np.sin(2 * np.pi * state["turn"])
    u = _texture_index(cos * x + sin * y, middle)
    v = _texture_index(cos * y - sin * x, middle)
    pixels = sprite.take(v * len(sprite) + u)
    box = np.ix_(rows, columns)
    behind = frame[box]
    np.copyto(behind, pixels, where=pixels >= _OPAQUE)
    frame[box] = behind


def _texture_index(offset: FloatArray, middle: float) -> NDArray[np.int64]:
    """Return the rows or columns of a texture at these offsets from its middle, limited to its edges."""
    offset += middle
    np.floor(offset, out=offset)
    np.clip(offset, 0, 2 * middle - 1, out=offset)
    return offset.astype(np.int64)


def _add_grain(frames: Frames, noise: Frames, rng: np.random.Generator) -> None:
    flat = frames.reshape(len(frames), -1)
    for frame in flat:
        offset = rng.integers(len(noise) - len(frame))
        frame += noise[offset : offset + len(frame)]


def _draw_look(side: int, num_bytes: int, radii: tuple[float, float], rng: np.random.Generator) -> Look:
    background = _coloured(_clouds(2 * side, rng), rng, darkest=40, brightest=210)
    sprites = (_draw_sprite(rng), _draw_sprite(rng))
    noise = rng.integers(0, _NOISE_LEVELS, 2 * num_bytes, dtype=np.uint8)
    return Look(background, sprites, noise, radii)


def _draw_sprite(rng: np.random.Generator) -> Texture:
    """Draw an elongated, patterned, outlined shape, lighter on one side: its angle can be seen.

    Nothing in it is straight: edges along the axes that jump look like the blocks of a damaged video.
    """
    v, u = np.mgrid[-1 : 1 : _SPRITE_SIDE * 1j, -1 : 1 : _SPRITE_SIDE * 1j]
    power, flat = rng.choice([1.2, 1.6, 2.0]), rng.uniform(1.3, 1.8)
    depth = np.maximum((np.abs(u / 0.9) ** power + np.abs(v * flat) ** power), (u**2 + v**2) / 0.9)
    waves = np.sin(rng.uniform(4, 9) * (u + 0.4 * v * v) + rng.uniform(0, 6)) * np.sin(
        rng.uniform(0, 9) * (v + 0.6 * u * u) + rng.uniform(0, 6)
    )
    pixels = _coloured(np.where(u > 0, 0.75, 0.25) + 0.25 * np.sign(waves), rng, darkest=10, brightest=238)
    outline = _pack(np.full((1, 1, 3), rng.choice([12, 238]), np.uint8))
    return np.where(depth < 1.0, np.where(depth < 0.7, pixels, outline), np.uint32(0))


def _clouds(side: int, rng: np.random.Generator) -> FloatArray:
    """Draw smooth noise of several sizes in [0, 1], seamless at the edges."""
    field = np.zeros((side, side))
    for cells in (4, 8, 16, 32):
        field += _stretched(_stretched(rng.standard_normal((cells, cells)), side).T, side)
    low, high = field.min(), field.max()
    return np.asarray((field - low) / (high - low))


def _stretched(rows: FloatArray, side: int) -> FloatArray:
    """Interpolate rows of a torus linearly to `side` of them.

    No matrix product: BLAS threads cost more than they bring here, and may round differently elsewhere.
    """
    position = np.arange(side) * len(rows) / side
    left, part = position.astype(int), (position % 1.0)[:, None]
    return np.asarray(rows[left] * (1.0 - part) + rows[(left + 1) % len(rows)] * part)


def _coloured(field: FloatArray, rng: np.random.Generator, *, darkest: int, brightest: int) -> Texture:
    """Colour a field in [0, 1] from one random colour to another that differs in every channel."""
    sixth = (brightest - darkest) / 6
    dark = rng.uniform(darkest, darkest + 2 * sixth, 3)
    bright = rng.uniform(brightest - 2 * sixth, brightest, 3)
    swapped = rng.random(3) < 0.5
    low, high = np.where(swapped, bright, dark), np.where(swapped, dark, bright)
    return _pack((low + (high - low) * field[..., None]).astype(np.uint8))


def _pack(rgb: Frames) -> Texture:
    opaque = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    opaque[..., :3] = rgb
    return opaque.view(np.uint32)[..., 0]


def _whole(values: FloatArray) -> NDArray[np.int64]:
    return np.floor(values).astype(np.int64)


def _torus_offset(distance: FloatArray, side: int) -> FloatArray:
    """Return the way to the nearest copy, in [-side / 2, side / 2)."""
    return np.asarray((distance + side / 2) % side - side / 2)
