"""A random training clip of a video: a function of (seed, epoch, key), the same in every loader."""

from collections.abc import Mapping
from typing import NamedTuple

from vidprep.load.sampling.clips import train_frames
from vidprep.load.sampling.crops import train_box
from vidprep.load.sampling.draws import Draws
from vidprep.load.sampling.flips import train_flip
from vidprep.load.sampling.views import View
from vidprep.recipes.recipe import TrainClip


class ClipPlan(NamedTuple):
    """Which view of a video a training clip shows, whether it is mirrored, and the label it then has."""

    view: View
    flip: bool
    label: int


def plan_clip(
    clip: TrainClip,
    key: str,
    *,
    num_frames: int,
    frame_size: tuple[int, int],
    label: int,
    partners: Mapping[int, int | None],
    seed: int,
    epoch: int,
) -> ClipPlan:
    """Return the training clip of a video.

    Args:
        frame_size: Width and height.
        partners: See `vidprep.load.sampling.flips`; used where `clip.flip` is "safe".

    Raises:
        ValueError: If the crop does not fit into the frame.
    """
    words = (seed, epoch, key)
    frames = train_frames(clip, num_frames, Draws("clip", *words))
    box = train_box(clip, *frame_size, Draws("crop", *words))
    flip, label = train_flip(clip.flip, label, partners, Draws("flip", *words))
    return ClipPlan(View(tuple(frames), box), flip, label)
