"""Which classes are taken for which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image

from vidprep.report.drawing.images import png
from vidprep.report.drawing.svg import WIDTH, Axis, Drawing, ticks

Ints = npt.NDArray[np.int64]
_LEFT, _TOP, _BOTTOM = 36, 4, 34
_BLUE = (0, 114, 178)


@dataclass(frozen=True)
class Pair:
    """Videos of one class that were taken for another; `share` is of the class's videos."""

    true: str
    predicted: str
    count: int
    share: float


def confusion_matrix(labels: Ints, predicted: Ints, num_classes: int) -> Ints:
    """Count videos by true class (rows) and predicted class (columns)."""
    cells = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def most_confused(matrix: Ints, classes: Sequence[str], limit: int = 15) -> list[Pair]:
    """Return the pairs of classes with the most videos confused, of equal ones the larger share first."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    totals = matrix.sum(axis=1)
    pairs = [
        Pair(classes[row], classes[column], int(wrong[row, column]), float(wrong[row, column] / totals[row]))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return sorted(pairs, key=lambda pair: (-pair.count, -pair.share, pair.true))[:limit]


def confusion_chart(matrix: Ints) -> Markup:
    """Draw shares of each true class, darker for more; classes that do not occur are left out."""
    there = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    seen = matrix[np.ix_(there, there)]
    shares = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    # The square root shows rare confusions, too; a cell without a video is transparent.
    alpha = np.where(seen > 0, 40 + 215 * np.sqrt(shares), 0).round().astype(np.uint8)
    pixels = np.empty((*alpha.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = _BLUE, alpha
    side = WIDTH - _LEFT - 4
    drawing = Drawing(WIDTH, _TOP + side + _BOTTOM, f"Confusion matrix of {len(there)} classes")
    drawing.rect(_LEFT, _TOP, side, side, "extent")
    drawing.image(_LEFT, _TOP, side, side, png(Image.fromarray(pixels)).uri, "pixels")
    _draw_axes(drawing, there.tolist(), side)
    return drawing.markup()


def _draw_axes(drawing: Drawing, labels: list[int], side: float) -> None:
    across = Axis(0, len(labels), _LEFT, _LEFT + side)
    floor = _TOP + side
    for value in ticks(0, max(len(labels) - 1, 1), 8, whole=True):
        if value >= len(labels):
            continue
        middle = across(value + 0.5)
        text = str(labels[int(value)])
        drawing.line(middle, floor, middle, floor + 3, "axis")
        drawing.text(middle, floor + 14, text, "tick", anchor="middle")
        drawing.line(_LEFT - 3, middle - _LEFT + _TOP, _LEFT, middle - _LEFT + _TOP, "axis")
        drawing.text(_LEFT - 5, middle - _LEFT + _TOP + 3.5, text, "tick", anchor="end")
    drawing.text(_LEFT + side / 2, floor + 29, "predicted class", "label", anchor="middle")
    drawing.text_upwards(9, _TOP + side / 2, "true class", "label")
