"""Kinetics lists: five or six columns, one split a file or several, and every way to be wrong."""

import gzip

import pytest

from tests.helpers.raw_videos.small_datasets import K400_HEADER, k400, k400_list, k400_row, put, put_text
from vidprep.datasets import list_records
from vidprep.datasets.list_rows import looks_like, matching_name
from vidprep.errors import AnnotationError
from vidprep.recipes.manifests import read_dataset

DATASET = read_dataset("k400")
HEADER = ",".join(K400_HEADER)


def is_list(path):
    return any(matching_name(rule, path) and looks_like(rule, path) for rule in DATASET.lists)


def read_list(path, dataset):
    return list_records.read_list(path, dataset.lists[0], dataset)


@pytest.mark.parametrize("is_cc", [False, True])
def test_reads_five_or_six_columns(tmp_path, is_cc):
    path = tmp_path / "val.csv"
    k400_list(path, ["massaging person's head", "-abc", "7", "17", "val"], is_cc=is_cc)
    assert read_list(path, DATASET).to_dict("split")["data"] == [
        ["validation", "-abc_000007_000017", "massaging person's head", "val.csv", "line 2"]
    ]


def test_splits_by_their_names(tmp_path):
    path = tmp_path / "all.csv"
    splits = ["train", "val", "validate", "validation", "test"]
    k400_list(path, *(k400_row("yoga", f"id{n}", split) for n, split in enumerate(splits)))
    assert list(read_list(path, DATASET)["split"]) == ["train", "validation", "validation", "validation"]


def test_gzip_byte_order_mark_quotes_blank_lines_and_carriage_returns(tmp_path):
    label = '"passing American football (in game)"'
    text = f"\ufeff{HEADER}\r\n\r\n{label},a,1.0,11.0,train\r\n"
    path = put(tmp_path / "k.csv.gz", gzip.compress(text.encode()))
    assert is_list(path)
    assert read_list(path, DATASET).to_dict("split")["data"] == [
        ["train", "a_000001_000011", "passing American football (in game)", "k.csv.gz", "line 3"]
    ]


def test_line_ends_of_old_macs(tmp_path):
    path = put_text(tmp_path / "val.csv", f"{HEADER}\ryoga,a,1,11,val\ryoga,b,1,11,val\r")
    assert is_list(path)
    assert list(read_list(path, DATASET)["place"]) == ["line 2", "line 3"]


def test_lists_are_found_by_their_header(tmp_path):
    lists = [k400_list(tmp_path / "Everything.csv", k400_row("yoga", "a"))]
    put_text(tmp_path / "labels.csv", "id,name\n0,abseiling\n")
    put_text(tmp_path / "test.csv", "youtube_id,time_start,time_end,split\nx,1,11,test\n")
    put(tmp_path / "noise.csv", b"\xff\xfe\x00")
    put(tmp_path / "empty.csv", b"")
    assert list(k400([], [str(tmp_path)]).lists.values()) == lists


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["label,id"], f"line 1: no Kinetics list: the header must be '{HEADER}' .*got 'label,id'"),
        ([HEADER, "yoga,a,1,11,train", "yoga,b,1,11"], "line 3: 4 columns, the header has 5"),
        ([HEADER, "yoga,a,1,11,train,0"], "line 2: 6 columns"),
        ([HEADER, "yoga,a,1,11,dev"], "split must be one of train, val, .*got 'dev'"),
        ([HEADER, "yoga,,1,11,val"], "line 2: youtube_id is empty"),
        ([HEADER, "yoga,a,one,11,val"], "line 2: time_start and time_end must be whole seconds, got 'one'"),
        ([HEADER, "yoga,a,1.5,11,val"], "whole seconds"),
        ([HEADER, "yoga,a,-1,11,val"], "whole seconds"),
        ([HEADER, "yoga,a,11,11,val"], "line 2: time_end must be after time_start, got 11 to 11"),
        ([HEADER, "yogga,a,1,11,val"], "line 2: Kinetics-400 has no class 'yogga'. Did you mean 'yoga'"),
        (
            [HEADER, "yoga,a,1,11,val", "acting in play,b,1,11,val", "adjusting glasses,c,1,11,val"],
            r"line 3: .*'acting in play'\..* 2 unknown class names in 2 of 3 rows: is this the list of anoth",
        ),
        ([HEADER, f'"{"y" * 200_000}",a,1,11,val'], "line 2: field larger than field limit"),
    ],
)
def test_malformed(tmp_path, lines, message):
    path = put_text(tmp_path / "val.csv", "\n".join(lines))
    with pytest.raises(AnnotationError, match=message):
        k400([], [str(path)])
