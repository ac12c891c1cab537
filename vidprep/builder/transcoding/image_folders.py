"""Make one file that FFmpeg reads from a folder of numbered JPEGs, by concatenating them in order."""

import re
from pathlib import Path

from vidprep.errors import VideoRejected

_NUMBER = re.compile(r"(\d+)\.jpe?g", re.IGNORECASE)
_JPEG = b"\xff\xd8\xff"


def pack_images(folder: Path, target: Path) -> Path:
    """Write the JPEGs of a folder into one file, in the order of their numbers, and return its path.

    Raises:
        VideoRejected: If a number is missing or stands twice, or a file is no JPEG.
    """
    images = sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in (".jpg", ".jpeg") and path.name[0] != "."
        ),
        key=lambda path: (_number(path), path.name),
    )
    numbers = [_number(path) for path in images]
    for path, number, expected in zip(
        images, numbers, range(numbers[0] if numbers else 0, 2**31), strict=False
    ):
        if number != expected:
            what = "stands twice" if number < expected else f"is missing before {path.name}"
            raise VideoRejected("partial", f"frame {min(number, expected)} {what}")
    with target.open("wb") as packed:
        for path in images:
            data = path.read_bytes()
            if not data.startswith(_JPEG):
                raise VideoRejected("partial", f"{path.name} is no JPEG")
            packed.write(data)
    return target


def _number(path: Path) -> int:
    found = _NUMBER.fullmatch(path.name)
    if found is None:
        raise VideoRejected(
            "unreadable", f"{path.name} has no frame number: images are named 00001.jpg, 00002.jpg, ..."
        )
    return int(found[1])
