"""A short moving clip of every class, within a limited number of characters of HTML.

A clip is a strip: its frames side by side in one still image, which the style sheet moves along. So readers
who have switched animations off see the first frame, and so does paper.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, ImageOps

from vidprep.errors import DecodeError, ShardError
from vidprep.machine import num_cores
from vidprep.report.drawing.images import Embedded, webp
from vidprep.report.drawing.videos import VideoReader
from vidprep.shards.stored_video import StoredVideo

OnClip = Callable[[int, int], None]

# A tile is cut to this shape, so that all of them make an even grid.
_ASPECT = 4 / 3
_SECONDS = 2.4  # of the video that a clip shows
_NUM_TRIED = 8  # clips, spread over the classes, from which the size of all is estimated


class Quality(NamedTuple):
    """How good the clips are: frames of each, height in pixels, WebP quality."""

    num_frames: int
    height: int
    quality: int


# From good to small.
QUALITIES = (
    Quality(12, 112, 60),
    Quality(12, 112, 40),
    Quality(10, 96, 40),
    Quality(8, 80, 35),
    Quality(6, 64, 30),
    Quality(1, 96, 40),
    Quality(1, 64, 30),
)


class ClassVideo(NamedTuple):
    """A class and the video that stands for it."""

    name: str
    video: StoredVideo
    fps: float


class Tile(NamedTuple):
    """A clip on the sheet; `strip` is None where the video could not be shown, for `problem`."""

    name: str
    key: str
    strip: Embedded | None
    problem: str


@dataclass(frozen=True)
class ContactSheet:
    """The clips, in the order of the classes, and how they were reduced to fit.

    Attributes:
        tiles: The clips.
        quality: Their quality.
        num_left_out: Number of classes for which there was no room.
    """

    tiles: list[Tile]
    quality: Quality
    num_left_out: int

    @property
    def is_reduced(self) -> bool:
        """Tell whether the clips are smaller or fewer than they would be without the limit."""
        return self.quality != QUALITIES[0] or self.num_left_out > 0


def contact_sheet(
    reader: VideoReader, classes: Sequence[ClassVideo], max_chars: int, on_clip: OnClip
) -> ContactSheet:
    """Make a clip of each class, as good as fits into `max_chars` characters of HTML.

    Args:
        reader: Reads the frames.
        classes: The classes, in the order of the sheet; where not all fit, the last are left out.
        max_chars: Limit for the clips of all classes together.
        on_clip: Called with the number of clips done and the number in all.
    """
    quality = _affordable(reader, classes, max_chars)
    tiles: list[Tile] = []
    used = 0
    for tile in _tiles(reader, classes, quality):
        used += len(tile.strip.uri) if tile.strip else 0
        if used > max_chars:
            break
        tiles.append(tile)
        on_clip(len(tiles), len(classes))
    return ContactSheet(tiles, quality, len(classes) - len(tiles))


def _affordable(reader: VideoReader, classes: Sequence[ClassVideo], max_chars: int) -> Quality:
    """Return the best quality at which all clips fit, judging from some of them."""
    tried = classes[:: max(1, len(classes) // _NUM_TRIED)][:_NUM_TRIED]
    for quality in QUALITIES:
        made = [len(tile.strip.uri) for tile in _tiles(reader, tried, quality) if tile.strip]
        # A tenth more than the mean, since the tried ones may be smaller than the others.
        if sum(made) / max(1, len(made)) * 1.1 * len(classes) <= max_chars:
            return quality
    return QUALITIES[-1]


def _tiles(reader: VideoReader, classes: Sequence[ClassVideo], quality: Quality) -> Iterator[Tile]:
    """Make tiles in order, on all cores: FFmpeg and WebP leave the interpreter lock while they work."""
    with ThreadPoolExecutor(num_cores()) as pool:
        futures = [pool.submit(_tile, reader, each, quality) for each in classes]
        try:
            yield from (future.result() for future in futures)
        finally:
            for future in futures:
                future.cancel()


def _tile(reader: VideoReader, shown: ClassVideo, quality: Quality) -> Tile:
    frames = clip_frames(shown.video.num_frames, shown.fps, quality.num_frames)
    try:
        images = reader.images(shown.video, sorted(set(frames)), quality.height)
    except (ShardError, DecodeError) as error:
        return Tile(shown.name, shown.video.key, None, str(error))
    by_number = dict(zip(sorted(set(frames)), images, strict=True))
    size = (round(quality.height * _ASPECT), quality.height)
    strip = Image.new("RGB", (size[0] * len(frames), size[1]))
    for place, number in enumerate(frames):
        strip.paste(ImageOps.fit(by_number[number], size), (place * size[0], 0))
    return Tile(shown.name, shown.video.key, webp(strip, quality.quality), "")


def clip_frames(num_frames: int, fps: float, num_shown: int) -> list[int]:
    """Return the frames of a clip from the middle of a video, evenly apart; a short video is looped.

    Args:
        fps: Frames a second of the video; 0.0 where it is unknown.
    """
    step = max(1, min(round((fps or 25.0) * _SECONDS / num_shown), num_frames // num_shown))
    start = max(0, (num_frames - (num_shown - 1) * step) // 2)
    return [(start + at * step) % num_frames for at in range(num_shown)]
