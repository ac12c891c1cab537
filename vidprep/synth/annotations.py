"""Annotation files in the form of the official releases."""

import csv
import json
import re
from pathlib import Path

from vidprep.recipes.manifests import read_dataset
from vidprep.synth.plan import Parameters, PlannedVideo, seeded

_THINGS = (
    "a red cup",
    "box",
    "pen",
    "a book",
    "toy car",
    "bottle",
    "spoon",
    "lid",
    "a tennis ball",
    "wallet",
)
_SOMETHING = re.compile(r"\b[Ss]omething\b")


def write_ssv2_annotations(videos: list[PlannedVideo], folder: Path, parameters: Parameters) -> None:
    """Write `something-something-v2-{labels,train,validation}.json`, with the labels of all 174 classes."""
    labels = read_dataset("ssv2").labels.classes
    lines = [f"{json.dumps(name)}:{json.dumps(str(index))}" for index, name in enumerate(labels)]
    _write_lines(folder / "something-something-v2-labels.json", lines, "{}")
    for split in ("train", "validation"):
        rows = [json.dumps(_ssv2_row(video, parameters)) for video in videos if video.split == split]
        _write_lines(folder / f"something-something-v2-{split}.json", rows, "[]")


def write_k400_annotations(videos: list[PlannedVideo], folder: Path) -> None:
    """Write `train.csv` and `validate.csv` with the official five columns."""
    for split, name in {"train": "train", "validation": "validate"}.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
            writer.writerows(_k400_row(video, name) for video in videos if video.split == split)


def _ssv2_row(video: PlannedVideo, parameters: Parameters) -> dict[str, str | list[str]]:
    rng = seeded(parameters, f"{video.video_id}/placeholders")
    count = len(_SOMETHING.findall(video.class_name))
    things = [_THINGS[i] for i in rng.choice(len(_THINGS), size=count, replace=False)]
    names = iter(things)
    return {
        "id": video.video_id,
        "label": _SOMETHING.sub(lambda _: next(names), video.class_name).lower(),
        "template": _SOMETHING.sub(lambda found: f"[{found[0]}]", video.class_name),
        "placeholders": things,
    }


def _k400_row(video: PlannedVideo, split: str) -> list[str | int]:
    youtube_id, start, end = video.video_id.rsplit("_", 2)
    return [video.class_name, youtube_id, int(start), int(end), split]


def _write_lines(path: Path, lines: list[str], brackets: str) -> None:
    path.write_text("\n".join([brackets[0], ",\n".join(lines), brackets[1]]) + "\n", encoding="utf-8")
