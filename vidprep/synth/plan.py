"""Which videos a synthetic dataset holds: ids, splits, classes, defects. Pure."""

import math
import string
from collections import Counter
from dataclasses import dataclass

import numpy as np

from vidprep.synth.motions import drawable_classes

DEFAULT_CLASSES = {"ssv2": 12, "k400": 10}
OTHER_CLASSES = 4  # of the other datasets
OFFICIAL = ("ucf101", "hmdb51", "diving48", "jester", "epic100", "k600", "k700")

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

_FOLDERS = {
    "ucf101": "UCF-101/{name}/{id}.avi",
    "hmdb51": "{name}/{id}.avi",
    "diving48": "rgb/{id}.mp4",
    "jester": "20bn-jester-v1/{id}",
    "epic100": "{participant}/videos/{video}.MP4",
}
_K400_FOLDERS = {"train": "train", "validation": "val"}
_ID_LETTERS = np.array([*string.ascii_letters, *string.digits, "-", "_"])
_LARGEST_SSV2_ID = 220847


@dataclass(frozen=True)
class Parameters:
    """All that decides a synthetic dataset.

    Attributes:
        dataset: "ssv2", "k400", or one of `OFFICIAL`.
        num_classes: How many classes; the first ones of `drawable_classes(dataset)`.
        videos_per_class: Training videos of each class.
        validation_per_class: Validation videos of each class.
        seed: Another seed makes other videos with other ids.
        broken: Share of the videos that get a defect, rounded up.
        short_side: Short side of SSv2 frames in pixels; None: 240, as published. K400's sides vary.
    """

    dataset: str
    num_classes: int
    videos_per_class: int
    validation_per_class: int
    seed: int = 0
    broken: float = 0.0
    short_side: int | None = None

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
        if self.broken and self.dataset not in DEFECTS:
            raise ValueError(
                f"broken is for {' and '.join(DEFECTS)}; videos of {self.dataset} are made without defects."
            )
        if self.short_side is not None and self.dataset != "ssv2":
            raise ValueError(
                f"short_side is for ssv2: videos of {self.dataset} are of many sizes, as published; got "
                f"{self.short_side}."
            )
        if self.short_side is not None and not 32 <= self.short_side <= 1080:
            raise ValueError(f"short_side must be 32 to 1080 pixels, got {self.short_side}.")


@dataclass(frozen=True)
class PlannedVideo:
    """One annotated video.

    Attributes:
        video_id: Name of the file without its ending: for K400 `<youtube_id>_<start>_<end>`.
        split: "train" or "validation".
        class_name: Name of its class, as in the dataset's list of classes.
        path: Path of the file, below the dataset's folder.
        defect: Its defect, a key of `DEFECTS[dataset]`, or "".
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
    ids = _ids(parameters.dataset, rows, rng)
    defects = _plan_defects(parameters, len(rows), rng)
    return [
        PlannedVideo(video_id, split, name, _path(parameters.dataset, video_id, split, name), defect)
        for video_id, (split, name), defect in zip(ids, rows, defects, strict=True)
    ]


def seeded(parameters: Parameters, purpose: str) -> np.random.Generator:
    """Return a random generator that depends on seed, dataset and `purpose` (e.g. a video id).

    So no video depends on how many others there are.
    """
    return np.random.default_rng([parameters.seed, *f"{parameters.dataset}/{purpose}".encode()])


def _ids(dataset: str, rows: list[tuple[str, str]], rng: np.random.Generator) -> list[str]:
    if dataset == "ssv2":
        return _ssv2_ids(len(rows), rng)
    if dataset in _NAMED:
        seen: Counter[tuple[str, str]] = Counter()
        ids = []
        for split, name in rows:
            group = (split, "") if dataset == "epic100" else (split, name)
            ids.append(_NAMED[dataset](split, name, seen[group]))
            seen[group] += 1
        return ids
    ids = _k400_ids(len(rows), rng)
    if dataset == "diving48":
        return [f"{each[:11]}_{number:05d}" for number, each in enumerate(ids)]
    return [str(number + 1) for number in range(len(rows))] if dataset == "jester" else ids


def _ucf101_id(split: str, name: str, number: int) -> str:
    """Name a clip: groups 1 to 7 are the validation split, later ones the training split."""
    group = (8 if split == "train" else 1) + number // 4
    return f"v_{name}_g{group:02d}_c{number % 4 + 1:02d}"


def _hmdb51_id(split: str, name: str, number: int) -> str:
    """Name a clip with brackets, `#`, `!` and `&`, as there are in many names of HMDB51."""
    film = "(Film)_No#1!" if split == "train" else "Show_&_Tell_[2]"
    return f"{film}_{name}_u_nm_np1_fr_med_{number}"


def _epic100_id(split: str, name: str, number: int) -> str:
    """Name a segment after its untrimmed video; each of these holds four segments."""
    participant = "P01" if split == "train" else "P02"
    return f"{participant}_{number // _EPIC_SEGMENTS + 1:02d}_{number % _EPIC_SEGMENTS}"


_EPIC_SEGMENTS = 4
_NAMED = {"ucf101": _ucf101_id, "hmdb51": _hmdb51_id, "epic100": _epic100_id}


def _ssv2_ids(count: int, rng: np.random.Generator) -> list[str]:
    return [str(number + 1) for number in rng.choice(_LARGEST_SSV2_ID, size=count, replace=False)]


def _k400_ids(count: int, rng: np.random.Generator) -> list[str]:
    """Make ids like YouTube's; some start with `-` or `__`, on which other programs have failed."""
    ids = []
    for number in range(count):
        front = {3: "-", 7: "__"}.get(number % 10, "")
        start = int(rng.integers(0, 600))
        ids.append(f"{front}{''.join(rng.choice(_ID_LETTERS, 11 - len(front)))}_{start:06d}_{start + 10:06d}")
    return ids


def _plan_defects(parameters: Parameters, count: int, rng: np.random.Generator) -> list[str]:
    """Return the defect of each video: the kinds in turn, on videos drawn at random."""
    kinds, defects = list(DEFECTS.get(parameters.dataset, ())), [""] * count
    for turn, number in enumerate(rng.permutation(count)[: math.ceil(parameters.broken * count)]):
        defects[number] = kinds[turn % len(kinds)]
    return defects


def _path(dataset: str, video_id: str, split: str, class_name: str) -> str:
    if dataset == "ssv2":
        return f"videos/{video_id}.webm"
    folder = _FOLDERS.get(dataset)
    if folder is None:
        return f"{_K400_FOLDERS[split]}/{class_name}/{video_id}.mp4"
    return folder.format(
        id=video_id,
        name=class_name,
        participant=video_id.partition("_")[0],
        video=video_id.rpartition("_")[0],
    )
