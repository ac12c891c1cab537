"""Records meet files, as a pure function: every record is accounted for, whatever the input."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidprep.datasets.matching import match
from vidprep.shards.ledger import REASONS

IDS = st.sampled_from(["a", "b", "c", "-d", "__e", "no good", "dot.dot", "ü", ""])
RECORDS = st.lists(
    st.tuples(st.sampled_from(["train", "validation"]), IDS, st.sampled_from(["yoga", "archery"])),
    max_size=12,
)
FILES = st.lists(
    st.tuples(
        st.integers(0, 2),  # source
        st.sampled_from(["", "train", "validation", "test"]),
        st.sampled_from(["", "yoga", "archery"]),
        IDS,
        st.sampled_from([-1, 0, 7]),
        st.sampled_from(["", "a macOS '._' file"]),
    ),
    max_size=12,
)


def records_of(rows):
    table = pd.DataFrame(rows, columns=["split", "video_id", "class"], dtype="str")
    places = [f"line {number}" for number in range(len(rows))]
    return table.assign(file=pd.Series("l.csv", index=table.index, dtype="str")).assign(
        place=pd.Series(places, index=table.index, dtype="str")
    )


def files_of(rows):
    columns = ["source_rank", "folder_split", "folder_class", "video_id", "source_bytes", "fault"]
    table = pd.DataFrame(rows, columns=columns)
    numbers = ["source_rank", "source_bytes"]
    table = table.astype({name: "int64" if name in numbers else "str" for name in columns})
    return table.assign(
        source_dir="s" + table["source_rank"].astype("str"),
        source=table["folder_split"] + "/" + table["folder_class"] + "/" + table["video_id"],
    )


@given(RECORDS, FILES)
def test_every_record_is_accounted_for_once(rows, files):
    records = records_of(rows)
    matched = match(records, files_of(files))
    assert matched[["split", "video_id", "class"]].equals(records[["split", "video_id", "class"]])
    for row in matched.itertuples():
        assert row.status in ("present", "missing", "rejected")
        assert (row.reason in REASONS) == (row.status == "rejected")
        assert row.reason in REASONS or row.reason == ""
        assert bool(row.detail) >= (row.status == "rejected")
        assert (row.key == "") == (row.reason == "invalid_id")
        assert bool(row.source_dir) == bool(row.source)
        assert row.status != "present" or (row.source and row.source_bytes)
        assert row.status != "missing" or (not row.source and row.source_bytes == 0)


@given(RECORDS, FILES)
def test_what_is_present_is_unique_and_unambiguous(rows, files):
    matched = match(records_of(rows), files_of(files))
    good = matched[matched["status"] != "rejected"]
    assert not good["video_id"].duplicated().any()
    assert not good["key"].duplicated().any()


@given(RECORDS, FILES, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(rows, files, random):
    # No two files have one path.
    files = list({file[:4]: file for file in files}.values())
    shuffled = random.sample(files, len(files))
    pd.testing.assert_frame_equal(
        match(records_of(rows), files_of(files)), match(records_of(rows), files_of(shuffled))
    )


def one(rows, files=()):
    matched = match(records_of(rows), files_of(list(files)))
    return [(row.status, row.reason, row.detail, row.source_dir) for row in matched.itertuples()]


def test_duplicate_row_the_first_counts():
    rows = [("train", "a", "yoga"), ("train", "b", "yoga"), ("train", "a", "yoga")]
    assert one(rows, [(0, "", "", "a", 5, "")]) == [
        ("present", "", "", "s0"),
        ("missing", "", "", ""),
        ("rejected", "duplicate_row", "first as train 'yoga' (l.csv line 0)", "s0"),
    ]


def test_two_labels_take_all_rows_of_the_id():
    rows = [("train", "a", "yoga"), ("train", "a", "archery"), ("train", "a", "yoga")]
    said = [f"train '{name}' (l.csv line {line})" for line, (_, _, name) in enumerate(rows)]
    detail = f"annotated as {', '.join(said)}"
    assert one(rows) == [("rejected", "two_labels", detail, "")] * 3


def test_two_splits_take_all_rows_of_the_id():
    rows = [("train", "a", "yoga"), ("validation", "a", "yoga"), ("train", "b", "yoga")]
    detail = "annotated as train 'yoga' (l.csv line 0), validation 'yoga' (l.csv line 1)"
    assert one(rows)[:2] == [("rejected", "two_splits", detail, "")] * 2
    assert one(rows)[2][0] == "missing"


def test_two_labels_in_two_splits_count_as_two_labels():
    assert {row[1] for row in one([("train", "a", "yoga"), ("validation", "a", "archery")])} == {"two_labels"}


def test_a_long_story_is_cut():
    detail = one([("train", "a", "yoga"), *[("train", "a", "archery")] * 5])[0][2]
    assert detail.endswith("train 'archery' (l.csv line 3) and 2 more")


@pytest.mark.parametrize("video_id", ["no good", "dot.dot", "../a", "ü", "x" * 90])
def test_invalid_id(video_id):
    status, reason, detail, _ = one([("train", video_id, "yoga")])[0]
    assert (status, reason) == ("rejected", "invalid_id")
    assert detail.startswith(f"video id {video_id!r} makes no valid key")


ROW = [("train", "a", "yoga")]
GOOD = (1, "", "", "a", 5, "")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([(0, "", "", "a", 0, "")], ("rejected", "zero_bytes", "//a is empty", "s0")),
        ([(0, "", "", "a", 0, ""), GOOD], ("present", "", "", "s1")),
        (
            [(0, "train", "archery", "a", 5, "")],
            ("rejected", "wrong_folder", "train/archery/a lies in the folder of 'archery'", "s0"),
        ),
        ([(0, "train", "archery", "a", 5, ""), GOOD], ("present", "", "", "s1")),
        ([(0, "", "", "a", 5, "an apple")], ("missing", "", "only an apple: //a", "")),
        ([(0, "", "", "a", 5, "an apple"), GOOD], ("present", "", "", "s1")),
        ([(0, "", "", "a", 5, ""), GOOD], ("present", "", "", "s0")),
        ([(2, "", "", "a", 5, ""), GOOD], ("present", "", "", "s1")),
        ([(0, "validation", "yoga", "a", 5, "")], ("present", "", "", "s0")),
        ([(0, "", "", "a", -1, "")], ("present", "", "", "s0")),  # a store that tells no sizes
    ],
)
def test_which_file_is_taken(files, expected):
    assert one(ROW, files) == [expected]
    assert one(ROW, files[::-1]) == [expected]


def test_its_own_split_folder_comes_first():
    files = files_of([(0, "test", "", "a", 5, ""), (0, "train", "", "a", 6, "")])
    assert list(match(records_of(ROW), files)["source_bytes"]) == [6]
