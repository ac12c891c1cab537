"""Which files are read, and what is said when they are not the right ones."""

import pytest

from tests.helpers.raw_videos.small_datasets import (
    CLOSING,
    k400,
    k400_list,
    k400_row,
    put_text,
    ssv2,
    ssv2_list,
)
from vidprep.errors import AnnotationError


def test_two_lists_of_one_split(tmp_path):
    first = k400_list(tmp_path / "a.csv", k400_row("yoga", "a"))
    second = k400_list(tmp_path / "b.csv", k400_row("yoga", "b"), k400_row("yoga", "c", "train"))
    message = f"Two lists of the split 'validation': {first} and {second}. .*--annotations FILE"
    with pytest.raises(AnnotationError, match=message):
        k400([], [str(tmp_path)])
    assert k400([], [second]).lists == {"train": second, "validation": second}


def test_one_file_given_twice_is_read_once(tmp_path):
    path = k400_list(tmp_path / "a.csv", k400_row("yoga", "a"))
    assert len(k400([], [path, str(tmp_path), f"{tmp_path}/../{tmp_path.name}/a.csv"]).rows) == 1


def test_lists_are_looked_for_in_the_source(tmp_path):
    k400_list(tmp_path / "annotations/val.csv", k400_row("yoga", "a"))
    (tmp_path / "val").mkdir()
    (tmp_path / "val/a_000001_000011.mp4").write_bytes(b"v")
    assert list(k400([tmp_path], []).rows["status"]) == ["present"]


def test_no_source_and_no_annotations():
    with pytest.raises(AnnotationError, match="Where are the annotations of Kinetics-400"):
        k400([], [])


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(AnnotationError, match=f"No annotations at {tmp_path}/x"):
        k400([], [f"{tmp_path}/x"])


def test_a_folder_without_lists_names_what_it_holds(tmp_path):
    with pytest.raises(AnnotationError, match=r"Looked for a .csv .*Found instead: nothing"):
        k400([], [str(tmp_path)])
    for number in range(7):
        put_text(tmp_path / f"{number}.csv", "a,b\n")
    with pytest.raises(AnnotationError, match=r"Found instead: 0.csv, .*4.csv and 2 more\. Pass --annotat"):
        k400([], [str(tmp_path)])


def test_lists_of_another_dataset(tmp_path):
    kinetics = k400_list(tmp_path / "k/val.csv", k400_row("yoga", "a"))
    something = ssv2_list(tmp_path / "s", "train", {"1": CLOSING})
    with pytest.raises(AnnotationError, match=r"Found instead: a list of Kinetics-400 \(val.csv\)"):
        ssv2([], [str(tmp_path / "k")])
    with pytest.raises(AnnotationError, match=r"Found instead: a list of Something-Something v2 \(somethi"):
        k400([], [str(tmp_path / "s")])
    with pytest.raises(AnnotationError, match=r"is a list of Kinetics-400 \(val.csv\), not of Something-S"):
        ssv2([], [kinetics])
    with pytest.raises(AnnotationError, match=r"is a list of Something-Something v2 .*, not of Kinetics-400"):
        k400([], [something])


def test_both_datasets_in_one_folder(tmp_path):
    k400_list(tmp_path / "val.csv", k400_row("yoga", "a"))
    ssv2_list(tmp_path, "train", {"1": CLOSING})
    assert list(k400([], [str(tmp_path)]).rows["video_id"]) == ["a_000001_000011"]
    assert list(ssv2([], [str(tmp_path)]).rows["video_id"]) == ["1"]


def test_only_a_test_list(tmp_path):
    k400_list(tmp_path / "test.csv", k400_row("yoga", "a", "test"))
    with pytest.raises(AnnotationError, match=r"No annotations of Kinetics-400 .*Found instead: test.csv"):
        k400([], [str(tmp_path)])
