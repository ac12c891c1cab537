"""The other datasets' layouts: ids, folders, lists and files as their releases have them."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidprep.recipes.dataset_file import DatasetManifest
from vidprep.recipes.manifests import read_dataset
from vidprep.synth.encode import VideoFormat, write_avi, write_jpegs, write_mp4
from vidprep.synth.motions import motions_of
from vidprep.synth.plan import Parameters, PlannedVideo, seeded
from vidprep.synth.scene import draw_video

_SECONDS = 2.0
_RATES = {"ucf101": 25, "hmdb51": 30, "diving48": 30, "jester": 12, "epic100": 60}
# Datasets whose files are made here; those of Kinetics-600 and -700 are made like Kinetics-400's.
OFFICIAL_FILES = tuple(_RATES)
_SIZE = (160, 120)
# Segments of EPIC-KITCHENS: their length, and that of what lies between two of them.
_SEGMENT_SECONDS, _GAP_SECONDS = 1.5, 0.5
_KINETICS_SPLITS = {"train": "train", "validation": "validate"}


def write_official_lists(videos: list[PlannedVideo], folder: Path, dataset: str) -> None:
    """Write annotation files with the names and columns of a dataset's release, all its classes included."""
    for name, text in _LISTS[dataset](videos, read_dataset(dataset)).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


def write_official_video(videos: list[PlannedVideo], path: Path, parameters: Parameters, ffmpeg: str) -> None:
    """Write one file, or one folder of JPEGs.

    Args:
        videos: The one sample that it holds; or the segments of an untrimmed video, in their order.
        path: Path of the file or folder.
        parameters: Parameters of the dataset.
        ffmpeg: Path of the program.
    """
    dataset = parameters.dataset
    fps = Fraction(_RATES[dataset])
    rng = seeded(parameters, videos[0].path)
    fmt = VideoFormat(*_SIZE, fps)
    parts = [
        draw_video(motions_of(dataset)[video.class_name], _times(dataset, fps), fmt.drawn_size, rng)
        for video in videos
    ]
    frames = np.concatenate(parts)
    if dataset == "jester":
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        write_jpegs(frames, path, fmt, ffmpeg=ffmpeg)
    elif dataset in ("ucf101", "hmdb51"):
        write_avi(frames, path, fmt, ffmpeg=ffmpeg)
    else:
        write_mp4(frames, path, fmt, tone_hz=440, index_first=True, ffmpeg=ffmpeg)


def _times(dataset: str, fps: Fraction) -> np.ndarray:
    seconds = _SEGMENT_SECONDS + _GAP_SECONDS if dataset == "epic100" else _SECONDS
    return np.arange(round(seconds * fps)) / float(fps)


def _ucf101(videos: list[PlannedVideo], dataset: DatasetManifest) -> dict[str, str]:
    label = {name: number for number, name in enumerate(dataset.labels.classes, start=1)}
    classes = "".join(f"{number} {name}\r\n" for name, number in label.items())
    train = "".join(
        f"{v.class_name}/{v.video_id}.avi {label[v.class_name]}\r\n" for v in videos if v.split == "train"
    )
    test = "".join(f"{v.class_name}/{v.video_id}.avi\r\n" for v in videos if v.split != "train")
    return {"classInd.txt": classes, "trainlist01.txt": train, "testlist01.txt": test}


def _hmdb51(videos: list[PlannedVideo], dataset: DatasetManifest) -> dict[str, str]:
    part = {"train": 1, "validation": 2}
    return {
        f"{name}_test_split1.txt": "".join(
            f"{video.video_id}.avi {part[video.split]} \n" for video in videos if video.class_name == name
        )
        for name in dict.fromkeys(video.class_name for video in videos)
    }


def _diving48(videos: list[PlannedVideo], dataset: DatasetManifest) -> dict[str, str]:
    label = dataset.label_of

    def rows(split: str) -> str:
        end = round(_SECONDS * _RATES["diving48"]) - 1
        return json.dumps(
            [
                {"vid_name": v.video_id, "label": label[v.class_name], "start_frame": 0, "end_frame": end}
                for v in videos
                if v.split == split
            ]
        )

    words = [name.split("+") for name in dataset.labels.classes]
    return {
        "Diving48_V2_train.json": rows("train"),
        "Diving48_V2_test.json": rows("validation"),
        "Diving48_vocab.json": json.dumps(words),
    }


def _jester(videos: list[PlannedVideo], dataset: DatasetManifest) -> dict[str, str]:
    lists = {
        f"jester-v1-{split}.csv": "".join(
            f"{video.video_id};{video.class_name}\n" for video in videos if video.split == split
        )
        for split in ("train", "validation")
    }
    return lists | {"jester-v1-labels.csv": "".join(f"{name}\n" for name in dataset.labels.classes)}


def _epic100(videos: list[PlannedVideo], dataset: DatasetManifest) -> dict[str, str]:
    verbs, nouns = dataset.labels.classes, dataset.more_labels[0].classes
    header = dataset.lists[0].columns
    lists = {}
    for split, name in {"train": "train", "validation": "validation"}.items():
        rows = [_epic_row(v, verbs, nouns) for v in videos if v.split == split]
        lists[f"EPIC_100_{name}.csv"] = _csv([header, *rows])
    for what, names in {"verb": verbs, "noun": nouns}.items():
        rows = [[str(number), name, f"['{name}']", name] for number, name in enumerate(names)]
        lists[f"EPIC_100_{what}_classes.csv"] = _csv([["id", "key", "instances", "category"], *rows])
    return lists


def _epic_row(video: PlannedVideo, verbs: tuple[str, ...], nouns: tuple[str, ...]) -> list[str]:
    participant, number, segment = video.video_id.split("_")
    start = int(segment) * (_SEGMENT_SECONDS + _GAP_SECONDS)
    stop, verb = start + _SEGMENT_SECONDS, verbs.index(video.class_name)
    noun = (verb + int(segment)) % len(nouns)
    rate = _RATES["epic100"]
    times = [_clock(start), _clock(start), _clock(stop), str(round(start * rate)), str(round(stop * rate))]
    words = [f"{video.class_name} {nouns[noun]}", video.class_name, str(verb), nouns[noun], str(noun)]
    named = [video.video_id, participant, f"{participant}_{number}"]
    return [*named, *times, *words, f"['{nouns[noun]}']", f"[{noun}]"]


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60 + seconds - whole:05.2f}"


def _kinetics(videos: list[PlannedVideo], dataset: DatasetManifest) -> dict[str, str]:
    header = ["label", "youtube_id", "time_start", "time_end", "split"]
    lists = {}
    for split, name in _KINETICS_SPLITS.items():
        rows = []
        for video in videos:
            if video.split == split:
                youtube_id, start, end = video.video_id.rsplit("_", 2)
                # Kinetics-700's times may have decimals.
                point = ".0" if dataset.name == "k700" else ""
                rows.append(
                    [video.class_name, youtube_id, f"{int(start)}{point}", f"{int(end)}{point}", name]
                )
        lists[f"{name}.csv"] = _csv([header, *rows])
    return lists


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


_LISTS: dict[str, Callable[[list[PlannedVideo], DatasetManifest], dict[str, str]]] = {
    "ucf101": _ucf101,
    "hmdb51": _hmdb51,
    "diving48": _diving48,
    "jester": _jester,
    "epic100": _epic100,
    "k600": _kinetics,
    "k700": _kinetics,
}
