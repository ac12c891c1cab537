"""Drawings in SVG that take their colours from the page, so that they follow it into dark mode.

Shapes carry CSS classes, never colours. A drawing is about `WIDTH` units wide, as a phone's page is: its
letters stay legible there, and a wide page puts several drawings side by side.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

WIDTH = 340
Anchor = Literal["start", "middle", "end"]


class Drawing:
    """An SVG element to draw on; every text is escaped.

    Args:
        width: Width in units; the page scales all drawings alike.
        height: Height in units.
        label: What the drawing shows, in words, for screen readers.
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self._root = ET.Element(
            "svg", {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-label": label}
        )

    def rect(
        self, x: float, y: float, width: float, height: float, css: str, *, title: str = "", rx: float = 0
    ) -> None:
        """Draw a rectangle; `title` shows when the mouse rests on it."""
        places = {"x": _short(x), "y": _short(y), "width": _short(width), "height": _short(height)}
        self._add("rect", places | ({"rx": _short(rx)} if rx else {}), css, title)

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """Draw a straight line."""
        self._add("line", {"x1": _short(x1), "y1": _short(y1), "x2": _short(x2), "y2": _short(y2)}, css)

    def path(self, commands: str, css: str, *, title: str = "") -> None:
        """Draw a path of SVG's own commands."""
        self._add("path", {"d": commands}, css, title)

    def polyline(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """Draw a line through points; a single one is drawn as a dot."""
        if len(points) == 1:
            ((x, y),) = points
            self._add("circle", {"cx": _short(x), "cy": _short(y), "r": "2.5"}, f"{css} dot")
            return
        self._add("polyline", {"points": " ".join(f"{_short(x)},{_short(y)}" for x, y in points)}, css)

    def text(self, x: float, y: float, words: str, css: str = "", *, anchor: Anchor = "start") -> None:
        """Write `words` with their baseline at `y`."""
        places = {"x": _short(x), "y": _short(y), "text-anchor": anchor}
        self._add("text", places, css).text = words

    def count(self, x: float, y: float, number: str, words: str) -> None:
        """Write a number, and in a paler colour what it counts."""
        text = self._add("text", {"x": _short(x), "y": _short(y)}, "")
        ET.SubElement(text, "tspan", {"class": "strong"}).text = number
        ET.SubElement(text, "tspan", {"class": "label", "dx": "5"}).text = words

    def text_upwards(self, x: float, y: float, words: str, css: str = "") -> None:
        """Write `words` from bottom to top, centred on (x, y)."""
        places = {"transform": f"translate({_short(x)} {_short(y)}) rotate(-90)", "text-anchor": "middle"}
        self._add("text", places, css).text = words

    def image(self, x: float, y: float, width: float, height: float, uri: str, css: str) -> None:
        """Place an image, stretched to the given size."""
        places = {"x": _short(x), "y": _short(y), "width": _short(width), "height": _short(height)}
        self._add("image", places | {"href": uri, "preserveAspectRatio": "none"}, css)

    def markup(self) -> Markup:
        """Return the drawing as HTML."""
        return Markup(ET.tostring(self._root, encoding="unicode"))

    def _add(self, name: str, places: dict[str, str], css: str, title: str = "") -> ET.Element:
        element = ET.SubElement(self._root, name, places | ({"class": css} if css else {}))
        if title:
            ET.SubElement(element, "title").text = title
        return element


@dataclass(frozen=True)
class Axis:
    """Maps values from `low` to `high` onto places from `start` to `stop`, which may run either way."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


def nice_step(span: float, num_steps: int, *, whole: bool = False) -> float:
    """Return 1, 2, or 5 times a power of ten that divides `span` into at most about `num_steps` steps.

    Args:
        span: Greater than 0.
        whole: No steps smaller than 1.
    """
    rough = max(span / num_steps, 1e-300)  # subnormal numbers below have too few digits for a logarithm
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return max(1.0, step) if whole else step


def ticks(low: float, high: float, num_steps: int, *, whole: bool = False) -> list[float]:
    """Return round values from `low` to `high`, both included where they are round."""
    step = nice_step(high - low, num_steps, whole=whole)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def tick_text(value: float, step: float) -> str:
    """Return a tick's value with the digits that its step needs; thousands and millions as k and M."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if step >= limit or (abs(value) >= 10 * limit and not step % (limit / 10)):
            return f"{value / limit:g}{unit}" if value else "0"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{digits}f}" if digits <= 4 else f"{value:.0e}".replace("e-0", "e-") if value else "0"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
