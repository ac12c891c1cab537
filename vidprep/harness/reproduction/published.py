"""Published accuracies, with the videos and the conditions that they were measured on.

Source: IBM's action-recognition-pytorch (Chen et al., CVPR 2021), its tables of models; Kobayashi & Ye, WACV
2024, supplement, Table A, which states conditions and counts; the accuracies are in the paper itself.
"""

from dataclasses import dataclass
from typing import Literal

from vidprep.errors import RecipeError


@dataclass(frozen=True)
class Published:
    """A published evaluation.

    Attributes:
        name: The name by which a user asks for it.
        what: The network and dataset in words.
        pipeline: Name of the pipeline that holds its conditions.
        protocol: Name of the code whose views and head are used; None: the pipeline's own.
        views: Crops x clips, e.g. "1x1", where they are not the pipeline's.
        top1: Top-1 in percent; None where our sources state none.
        top5: Top-5 in percent; None where our sources state none.
        num_videos: Videos of the validation split, as published; None where the number is not published.
        min_frames: Videos with fewer frames were left out.
        doubts: What is not certain about the conditions, in sentences.
    """

    name: str
    what: str
    pipeline: str
    protocol: Literal["ibm"] | None
    top1: float | None
    top5: float | None = None
    views: str | None = None
    num_videos: int | None = None
    min_frames: int = 1
    doubts: tuple[str, ...] = ()


_CENTRE = (
    "How many views these figures are of is not published: one centre view is likely.",
    "The network was trained on from a model of 16 frames.",
)
_PAPER = ("The paper's figure is not among our sources: compare with the paper's table by hand.",)
_IBM, _KOBAYASHI = "IBM's I3D-ResNet-50, 32 frames", "Kobayashi & Ye's conditions (Table A)"

_ALL = (
    Published("ibm_ssv2", f"{_IBM}, SSv2", "ibm_ssv2", "ibm", 62.84, min_frames=3),
    Published("ibm_k400", f"{_IBM}, K400", "ibm_k400", "ibm", 76.61, min_frames=30),
    Published(
        "ibm_mini_ssv2", f"{_IBM}, Mini-SSv2", "mini_ssv2", "ibm", 67.56, 89.94, "1x1", 11799, 3, _CENTRE
    ),
    Published(
        "ibm_mini_k400", f"{_IBM}, Mini-K400", "mini_k400", "ibm", 77.16, 92.60, "1x1", 9934, 30, _CENTRE
    ),
    *(
        Published(
            f"kobayashi_{name}", f"{_KOBAYASHI}, {name}", name, None, None, num_videos=number, doubts=_PAPER
        )
        for name, number in (("ssv2", 24777), ("k400", 19877), ("mini_ssv2", 11799), ("mini_k400", 9934))
    ),
)
PUBLISHED = {one.name: one for one in _ALL}


def find_published(name: str) -> Published:
    """Return a published evaluation by name.

    Raises:
        RecipeError: If there is none.
    """
    if name not in PUBLISHED:
        raise RecipeError(f"No published figure is called '{name}' here. Choose from {', '.join(PUBLISHED)}.")
    return PUBLISHED[name]
