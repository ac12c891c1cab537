"""The accounting of a split as a flow: what became of the annotated videos."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup

from vidprep.report.drawing.svg import WIDTH, Drawing

_TOP, _HEIGHT, _LINE = 24, 120, 18
_LEFT_BAR, _RIGHT_BAR, _BAR = 0, 118, 9


class Branch(NamedTuple):
    """What became of some of the videos; `kind` ("used", "missing", "rejected") chooses the colour."""

    name: str
    kind: str
    num_videos: int


def flow(title: str, branches: Sequence[Branch]) -> Markup:
    """Draw a bar of all videos that splits into a ribbon per branch, each as thick as its share."""
    total = sum(branch.num_videos for branch in branches)
    there = [branch for branch in branches if branch.num_videos]
    sizes = [max(branch.num_videos / total * _HEIGHT, 1.5) for branch in there]
    places = _spread(sizes)
    height = max(places[-1] + sizes[-1], _TOP + _HEIGHT, places[-1] + _LINE / 2) + 8
    drawing = Drawing(WIDTH, height, f"{title}: " + ", ".join(f"{b.num_videos:,} {b.name}" for b in there))
    drawing.count(0, 12, f"{total:,}", f"{title}, annotated")
    upper = float(_TOP)
    for branch, size, place in zip(there, sizes, places, strict=True):
        _draw_branch(drawing, branch, (upper, place, size))
        upper += branch.num_videos / total * _HEIGHT
    drawing.rect(_LEFT_BAR, _TOP, _BAR, _HEIGHT, "flow-all")
    return drawing.markup()


def _spread(sizes: Sequence[float]) -> list[float]:
    """Return the upper end of each branch, far enough apart for a line of text each."""
    places = [float(_TOP)]
    for previous, size in pairwise(sizes):
        below_bar = places[-1] + previous + 5
        below_text = places[-1] + previous / 2 + _LINE - size / 2
        places.append(max(below_bar, below_text))
    return places


def _draw_branch(drawing: Drawing, branch: Branch, extent: tuple[float, float, float]) -> None:
    left, right, size = extent
    start, stop = _LEFT_BAR + _BAR, _RIGHT_BAR
    half = (start + stop) / 2
    drawing.path(
        f"M{start} {left:.1f}C{half} {left:.1f} {half} {right:.1f} {stop} {right:.1f}V{right + size:.1f}"
        f"C{half} {right + size:.1f} {half} {left + size:.1f} {start} {left + size:.1f}Z",
        f"ribbon {branch.kind}",
        title=f"{branch.num_videos:,} {branch.name}",
    )
    drawing.rect(_RIGHT_BAR, right, _BAR, size, branch.kind)
    drawing.count(_RIGHT_BAR + _BAR + 8, right + size / 2 + 4, f"{branch.num_videos:,}", branch.name)
