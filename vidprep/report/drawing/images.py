"""Images inside the page, as data URIs."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

# Figures are first taken as they are, then ever smaller: (longest side in pixels, WebP quality).
_STEPS = ((2400, 90), (1800, 82), (1400, 75), (1000, 65), (700, 55))


class Embedded(NamedTuple):
    """An image of the page.

    Attributes:
        uri: Data URI that holds the image.
        width: Width in pixels of the original.
        height: Height in pixels of the original.
    """

    uri: str
    width: int
    height: int


def data_uri(data: bytes, media_type: str) -> str:
    """Return bytes as a `data:` URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def webp(image: Image.Image, quality: int) -> Embedded:
    """Return an image as WebP."""
    out = io.BytesIO()
    # Method 2 takes a third of the default's time for files a tenth larger.
    image.save(out, "WEBP", quality=quality, method=2)
    return Embedded(data_uri(out.getvalue(), "image/webp"), image.width, image.height)


def png(image: Image.Image) -> Embedded:
    """Return an image as PNG, every pixel as it is."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return Embedded(data_uri(out.getvalue(), "image/png"), image.width, image.height)


def embed_figure(path: Path, max_chars: int) -> Embedded | None:
    """Return a PNG file for the page: as it is if that takes at most `max_chars`, else recompressed.

    Returns:
        The image, or None if it cannot be read or does not fit even when it is small.
    """
    try:
        with Image.open(path) as image:
            image.load()
            width, height = image.size
            if path.stat().st_size * 4 / 3 < max_chars:
                return Embedded(data_uri(path.read_bytes(), "image/png"), width, height)
            for side, quality in _STEPS:
                made = webp(_shrunk(image, side), quality)
                if len(made.uri) <= max_chars:
                    return Embedded(made.uri, width, height)
            return None
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _shrunk(image: Image.Image, longest_side: int) -> Image.Image:
    small = image.convert("RGB")
    small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return small
