"""Inventories of small datasets on disk, one rule a test."""

import random

import pytest

from tests.helpers.raw_videos.small_datasets import (
    CLOSING,
    HOLDING,
    ROLLING,
    k400,
    k400_list,
    k400_row,
    put,
    ssv2,
    ssv2_list,
    status_of,
)
from vidprep.datasets.inventory import COLUMNS
from vidprep.errors import AnnotationError, SourceError

NAME = "a_000001_000011"


def test_columns_labels_and_order(tmp_path):
    rows = [k400_row("yoga", "z"), k400_row("archery", "m", "train"), k400_row("zumba", "b", "train")]
    put(tmp_path / "v/zumba/b_000001_000011.mp4", b"123")
    inventory = k400([tmp_path / "v"], [k400_list(tmp_path / "l.csv", *rows, k400_row("yoga", "c"))])
    assert tuple(inventory.rows.columns) == COLUMNS
    assert inventory.rows["video_id"].str[0].tolist() == ["b", "m", "c", "z"]
    row = inventory.rows.iloc[0].to_dict()
    assert row == {
        "split": "train",
        "video_id": "b_000001_000011",
        "class": "zumba",
        "label": 399,
        "label_full": 399,
        "key": "train-b_000001_000011",
        "status": "present",
        "reason": "",
        "detail": "",
        "source_dir": str(tmp_path / "v"),
        "source": "zumba/b_000001_000011.mp4",
        "source_bytes": 3,
    }
    assert {str(inventory.rows[name].dtype) for name in ("label", "label_full", "source_bytes")} == {"int64"}


def test_a_subset_has_labels_of_its_own(tmp_path):
    lists = [k400_list(tmp_path / "l.csv", k400_row("yoga", "a"), k400_row("abseiling", "b"))]
    inventory = k400([], lists, subset="mini_k400")
    assert inventory.rows[["class", "label", "label_full"]].to_numpy().tolist() == [["yoga", 199, 398]]
    assert (len(inventory.classes), inventory.expected["validation"]) == (200, 9934)
    assert k400([], lists, classes=("yoga", "archery")).rows["label"].tolist() == [1]


@pytest.mark.parametrize(
    "path",
    [
        "val/yoga/NAME.mp4",
        "val/NAME.mp4",
        "validate/yoga/NAME.mkv",
        "validation/NAME.webm",
        "val_256/yoga/NAME.avi",
        "videos_val/yoga/NAME.mov",
        "yoga/NAME.ts",
        "NAME.m4v",
        "k400/compress/val_256/yoga/NAME.MP4",
        "train/NAME.mp4",  # the id tells the video, not the folder
    ],
)
def test_layouts_of_kinetics(tmp_path, path):
    put(tmp_path / "v" / path.replace("NAME", NAME))
    inventory = k400([tmp_path / "v"], [k400_list(tmp_path / "l.csv", k400_row("yoga", "a"))])
    assert inventory.rows[["status", "source"]].to_numpy().tolist() == [
        ["present", path.replace("NAME", NAME)]
    ]


@pytest.mark.parametrize(
    "folder", ["massaging person's head", "massaging_person's_head", "massaging_persons_head"]
)
def test_class_folders_by_letters_and_digits(tmp_path, folder):
    put(tmp_path / "v/val" / folder / f"{NAME}.mp4")
    lists = [k400_list(tmp_path / "l.csv", k400_row("massaging person's head", "a"))]
    assert status_of(k400([tmp_path / "v"], lists)) == {NAME: ("present", "")}


def test_the_folder_of_another_class(tmp_path):
    put(tmp_path / "v/val/archery" / f"{NAME}.mp4")
    lists = [k400_list(tmp_path / "l.csv", k400_row("yoga", "a"))]
    inventory = k400([tmp_path / "v"], lists)
    assert status_of(inventory) == {NAME: ("rejected", "wrong_folder")}
    assert inventory.rows["detail"][0] == f"val/archery/{NAME}.mp4 lies in the folder of 'archery'"
    put(tmp_path / "v/val/part_7" / f"{NAME}.mp4")  # a folder that is no class says nothing
    assert status_of(k400([tmp_path / "v"], lists)) == {NAME: ("present", "")}


@pytest.mark.parametrize("path", ["7.webm", "20bn-something-something-v2/7.webm", "a/b/7.mp4", "x/7.mkv"])
def test_layouts_of_something(tmp_path, path):
    put(tmp_path / "v" / path)
    inventory = ssv2([tmp_path / "v"], [ssv2_list(tmp_path, "train", {"7": ROLLING})])
    assert inventory.rows[["status", "source", "key"]].to_numpy().tolist() == [["present", path, "train-7"]]


def test_later_sources_fill_gaps(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    put(first / "1.webm", b"first")
    put(first / "2.webm", b"")
    put(first / "._4.webm")
    for name in "1234":
        put(second / f"{name}.webm", b"second!")
    rows = dict.fromkeys("1234", CLOSING)
    inventory = ssv2([first, second], [ssv2_list(tmp_path, "train", rows)])
    assert inventory.rows["source_bytes"].tolist() == [5, 7, 7, 7]
    assert inventory.rows["source_dir"].tolist() == [str(first), *[str(second)] * 3]
    assert inventory.sources == (str(first), str(second))


def test_files_that_are_no_videos_to_use(tmp_path):
    put(tmp_path / "v/1.webm")
    put(tmp_path / "v/2.webm", b"")
    put(tmp_path / "v/._3.webm")
    inventory = ssv2([tmp_path / "v"], [ssv2_list(tmp_path, "train", dict.fromkeys("1234", CLOSING))])
    assert status_of(inventory) == {
        "1": ("present", ""),
        "2": ("rejected", "zero_bytes"),
        "3": ("missing", ""),
        "4": ("missing", ""),
    }
    assert inventory.rows["detail"].tolist() == [
        "",
        "2.webm is empty",
        "only a macOS '._' file, which holds no video: ._3.webm",
        "",
    ]
    assert inventory.extra == {}


def test_faults_of_the_annotation_look_beyond_the_subset(tmp_path):
    # "abseiling" is not in Mini-K400, yet it makes the label of this id doubtful.
    rows = [k400_row("yoga", "a"), k400_row("abseiling", "a"), k400_row("yoga", "b")]
    inventory = k400([], [k400_list(tmp_path / "l.csv", *rows)], subset="mini_k400")
    assert status_of(inventory) == {NAME: ("rejected", "two_labels"), "b_000001_000011": ("missing", "")}


def test_faults_of_the_annotation(tmp_path):
    rows = [("1", CLOSING), ("1", CLOSING), ("2", CLOSING), ("2", HOLDING), ("3", CLOSING), ("4.x", CLOSING)]
    lists = [ssv2_list(tmp_path, "train", rows), ssv2_list(tmp_path, "validation", {"3": CLOSING})]
    put(tmp_path / "v/1.webm")
    found = ssv2([tmp_path / "v"], lists).rows[["split", "video_id", "key", "status", "reason"]]
    assert found.to_numpy().tolist() == [
        ["train", "1", "train-1", "present", ""],
        ["train", "1", "train-1", "rejected", "duplicate_row"],
        ["train", "2", "train-2", "rejected", "two_labels"],
        ["train", "2", "train-2", "rejected", "two_labels"],
        ["train", "3", "train-3", "rejected", "two_splits"],
        ["train", "4.x", "", "rejected", "invalid_id"],
        ["validation", "3", "validation-3", "rejected", "two_splits"],
    ]


def test_extra_videos_are_those_that_no_list_names(tmp_path):
    rows = [k400_row("yoga", "a"), k400_row("abseiling", "b")]
    put(tmp_path / "v/val/yoga" / f"{NAME}.mp4")
    put(tmp_path / "v/val/abseiling/b_000001_000011.mp4")  # outside the subset, but annotated
    put(tmp_path / "v/val/yoga/x.mp4")
    put(tmp_path / "v/val/yoga/w.mp4")
    put(tmp_path / "v/copy/x.mkv")  # a second copy of x is no second video
    put(tmp_path / "v/test/t.mp4")
    put(tmp_path / "v/loose.mp4")
    put(tmp_path / "v/._apple.mp4")
    inventory = k400([tmp_path / "v"], [k400_list(tmp_path / "l.csv", *rows)], subset="mini_k400")
    assert {split: (extra.num_videos, extra.examples) for split, extra in inventory.extra.items()} == {
        "": (2, ("copy/x.mkv", "loose.mp4")),
        "test": (1, ("test/t.mp4",)),
        "validation": (1, ("val/yoga/w.mp4",)),
    }


def test_the_order_of_the_file_system_does_not_matter(tmp_path):
    names = [f"{folder}/{number}.webm" for folder in "ab" for number in range(20)]
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(names)
        for name in names:
            put(tmp_path / str(seed) / name, name.encode())
        rows = {str(number): CLOSING for number in range(25)}
        inventory = ssv2([tmp_path / str(seed)], [ssv2_list(tmp_path, "train", rows)])
        found.append(inventory.rows.drop(columns="source_dir"))
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
    assert found[0]["source"][0] == "a/0.webm"


def test_a_remote_source(tmp_path):
    put(tmp_path / "v/val/yoga" / f"{NAME}.mp4", b"1234")
    url = f"file://{tmp_path}/v"
    lists = [k400_list(tmp_path / "l.csv", k400_row("yoga", "a"))]
    rows = k400([url], lists).rows
    assert rows[["status", "source_dir", "source", "source_bytes"]].to_numpy().tolist() == [
        ["present", url, f"val/yoga/{NAME}.mp4", 4]
    ]
    with pytest.raises(AnnotationError, match="Where are the annotations of Kinetics-400"):
        k400([url], [])


def test_missing_source(tmp_path):
    with pytest.raises(
        SourceError, match=r"nowhere does not exist\. Pass --source DIR or set VIDPREP_K400\."
    ):
        k400([tmp_path / "nowhere"], [])
    with pytest.raises(SourceError, match=r"Pass --source DIR or set VIDPREP_SSV2\."):
        ssv2([tmp_path / "nowhere"], [])


def test_wrong_folder_names_what_was_looked_for_and_found(tmp_path):
    lists = [k400_list(tmp_path / "l.csv", k400_row("yoga", "a"), k400_row("abseiling", "b"))]
    (tmp_path / "v").mkdir()
    message = (
        r"No Kinetics-400 videos of the recipe under .*/v\. Looked for train/<label>/<id>_<start>_<end>.mp4 "
        r"and train/<id>_<start>_<end>.mp4\. Found instead: nothing\. Pass --source DIR or set VIDPREP_K400\."
    )
    with pytest.raises(SourceError, match=message):
        k400([tmp_path / "v"], lists)
    for number in range(12):
        put(tmp_path / f"v/{number}.jpg")
    put(tmp_path / "v/notes.txt")
    put(tmp_path / "v/._a_000001_000011.mp4")
    put(tmp_path / "v/b_000001_000011.mp4")
    put(tmp_path / "v/holiday.mp4")
    message = (
        r"Found instead: 1 unusable video \(e.g. ._a_000001_000011.mp4\), "
        r"1 video of other classes \(e.g. b_000001_000011.mp4\), "
        r"1 video that the annotation does not name \(e.g. holiday.mp4\), 12 .jpg files, 1 .txt file\."
    )
    with pytest.raises(SourceError, match=message):
        k400([tmp_path / "v"], lists, subset="mini_k400")


def test_no_row_of_the_classes(tmp_path):
    lists = [k400_list(tmp_path / "l.csv", k400_row("abseiling", "b"))]
    with pytest.raises(
        AnnotationError, match=r"none of the 1 rows is of the recipe's 200 classes, e.g. 'air"
    ):
        k400([], lists, subset="mini_k400")
