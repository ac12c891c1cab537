"""Which videos a synthetic dataset holds: ids, splits, classes, defects. Pure."""

import math
import string
from dataclasses import dataclass

import numpy as np

from vidprep.synth.motions import drawable_classes

DEFAULT_CLASSES = {"ssv2": 12, "k400": 10}

# What is wrong with a video -> what must become of it: "used", "missing", or the reason of its rejection.
DEFECTS = {
    "ssv2": {
        "truncated": "partial",
        "zero_bytes": "zero_bytes",
        "audio_only": "no_video_stream",
        "one_frame": "used",
        "missing": "missing",
    },
    "k400": {
        "truncated": "partial",
        "zero_bytes": "zero_bytes",
        "audio_only": "no_video_stream",
        "one_frame": "used",
        "missing": "missing",
        "no_index": "unreadable",
    },
}

_K400_FOLDERS = {"train": "train", "validation": "val"}
_ID_LETTERS = np.array([*string.ascii_letters, *string.digits, "-", "_"])
_LARGEST_SSV2_ID = 220847


@dataclass(frozen=True)
class Parameters:
    """All that decides a synthetic dataset.

    Attributes:
        dataset: "ssv2" or "k400".
        num_classes: The first so many of `drawable_classes(dataset)`.
        videos_per_class: In the training split.
        validation_per_class: In the validation split.
        seed: Another seed makes other videos with other ids.
        broken: Share of the videos that get a defect, rounded up.
    """

    dataset: str
    num_classes: int
    videos_per_class: int
    validation_per_class: int
    seed: int = 0
    broken: float = 0.0

    def __post_init__(self) -> None:
        drawable = len(drawable_classes(self.dataset))
        if not 1 <= self.num_classes <= drawable:
            raise ValueError(
                f"num_classes must be 1 to {drawable}, the number of {self.dataset} classes whose motion can "
                f"be drawn, got {self.num_classes}."
            )
        if self.videos_per_class < 1 or self.validation_per_class < 0 or self.seed < 0:
            raise ValueError(
                "videos_per_class must be at least 1, validation_per_class and seed at least 0, got "
                f"{self.videos_per_class}, {self.validation_per_class} and {self.seed}."
            )
        if not 0.0 <= self.broken <= 1.0:
            raise ValueError(f"broken must be a share from 0 to 1, got {self.broken}.")


@dataclass(frozen=True)
class PlannedVideo:
    """One annotated video.

    Attributes:
        video_id: Name of the file without its ending: for K400 `<youtube_id>_<start>_<end>`.
        split: "train" or "validation".
        class_name: As in the dataset's label list.
        path: Of the file, below the dataset's folder.
        defect: A word of `DEFECTS`, or empty.
    """

    video_id: str
    split: str
    class_name: str
    path: str
    defect: str = ""


def plan_videos(parameters: Parameters) -> list[PlannedVideo]:
    """Return every video of a synthetic dataset, in the order of its annotation."""
    rng = seeded(parameters, "plan")
    sizes = {"train": parameters.videos_per_class, "validation": parameters.validation_per_class}
    classes = drawable_classes(parameters.dataset)[: parameters.num_classes]
    rows = [(split, name) for split, size in sizes.items() for name in sorted(classes) for _ in range(size)]
    if parameters.dataset == "ssv2":
        rows = [rows[i] for i in rng.permutation(len(rows))]  # the official lists are in no order
    ids = _ssv2_ids(len(rows), rng) if parameters.dataset == "ssv2" else _k400_ids(len(rows), rng)
    defects = _plan_defects(parameters, len(rows), rng)
    return [
        PlannedVideo(video_id, split, name, _path(parameters.dataset, video_id, split, name), defect)
        for video_id, (split, name), defect in zip(ids, rows, defects, strict=True)
    ]


def seeded(parameters: Parameters, purpose: str) -> np.random.Generator:
    """Return the generator for one purpose, e.g. a video id.

    It depends on seed and dataset besides, so that no video depends on how many others there are.
    """
    return np.random.default_rng([parameters.seed, *f"{parameters.dataset}/{purpose}".encode()])


def _ssv2_ids(count: int, rng: np.random.Generator) -> list[str]:
    return [str(number + 1) for number in rng.choice(_LARGEST_SSV2_ID, size=count, replace=False)]


def _k400_ids(count: int, rng: np.random.Generator) -> list[str]:
    """Make ids like YouTube's; some start with `-` or `__`, which has tripped many a reader."""
    ids = []
    for number in range(count):
        front = {3: "-", 7: "__"}.get(number % 10, "")
        start = int(rng.integers(0, 600))
        ids.append(f"{front}{''.join(rng.choice(_ID_LETTERS, 11 - len(front)))}_{start:06d}_{start + 10:06d}")
    return ids


def _plan_defects(parameters: Parameters, count: int, rng: np.random.Generator) -> list[str]:
    """Give each kind its turn, on videos drawn at random."""
    kinds, defects = list(DEFECTS[parameters.dataset]), [""] * count
    for turn, number in enumerate(rng.permutation(count)[: math.ceil(parameters.broken * count)]):
        defects[number] = kinds[turn % len(kinds)]
    return defects


def _path(dataset: str, video_id: str, split: str, class_name: str) -> str:
    if dataset == "ssv2":
        return f"videos/{video_id}.webm"
    return f"{_K400_FOLDERS[split]}/{class_name}/{video_id}.mp4"
