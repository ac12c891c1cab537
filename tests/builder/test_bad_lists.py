"""Lists that are wrong in one place: the file and the line are named, and nothing is half-built."""

import gzip

import pytest

import vidprep
from tests.helpers.paths import REAL_DATA
from vidprep.errors import AnnotationError, RecipeError


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def build(tmp_path, data, name="list.csv"):
    put(tmp_path / "v/a.mp4", b"x")
    vidprep.build(
        out_dir=tmp_path / "out", from_csv=[put(tmp_path / name, data)], root=tmp_path / "v", in_process=True
    )


def test_one_bad_row_in_200_000(tmp_path):
    rows = b"".join(b"clips/%06d.mp4,class %d\n" % (number, number % 200) for number in range(200_000))
    lines = (b"path,label\n" + rows).split(b"\n")
    lines[123_456] = lines[123_456].replace(b",", b";")
    with pytest.raises(AnnotationError, match=r"list.csv: line 123457: 1 columns, the header has 2"):
        build(tmp_path, b"\n".join(lines))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"path,label\na.mp4,Cat jumps\nb.mp4,cat_jumps\n",
            r"'Cat jumps' \(list.csv line 2\) and 'cat_jumps' \(list.csv line 3\)",
        ),
        (b"a.mp4 0\nb.mp4\n", r"list.csv: line 2"),
        (b"label,youtube_id,time_start,time_end,split\nyoga,abc,1,11,train\n", "must name path and label"),
        (b"\xff\xfep\x00a\x00t\x00h\x00", "no UTF-8 text"),
    ],
)
def test_lists_of_ones_own(tmp_path, data, message):
    with pytest.raises((AnnotationError, RecipeError), match=message):
        build(tmp_path, data)
    assert not (tmp_path / "out").exists()


def test_two_labels_for_one_file_are_named_with_both_lines(tmp_path):
    put(tmp_path / "v/a.mp4", b"x")
    path = put(tmp_path / "list.csv", b"path,label\r\na.mp4,cat\r\nb.mp4,dog\r\na.mp4,dog\r\n")
    rows = vidprep.audit(from_csv=[path], root=tmp_path / "v").inventory.rows
    both = rows[rows["video_id"] == "a.mp4"]
    assert set(both["reason"]) == {"two_labels"}
    assert all("(list.csv line 2)" in detail and "(list.csv line 4)" in detail for detail in both["detail"])


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="no real lists in ../shared/data")
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("pipeline", "path", "message"),
    [
        ("k700", "ucf101/testlist01.txt", r"testlist01.txt is a list of UCF101 .*, not of Kinetics-700"),
        ("ucf101", "jester/jester-v1-validation.csv.gz", "is a list of 20BN-Jester .*, not of UCF101"),
        ("hmdb51", "ucf101/testlist01.txt", "is a list of UCF101 .*, not of HMDB51"),
        ("k400", "k700/validate.csv.gz", "line [0-9]+: .*class"),
    ],
)
def test_the_list_of_another_dataset(tmp_path, pipeline, path, message):
    with pytest.raises(AnnotationError, match=message):
        vidprep.audit(pipeline, annotations=[REAL_DATA / "annotations" / path])


def test_a_gzipped_list_in_latin_1(tmp_path):
    text = "label,youtube_id,time_start,time_end,split\n" + "yoga,aaaaaaaaaaa,1,11,val\n" * 3
    data = gzip.compress(f"{text}caf\xe9,bbbbbbbbbbb,1,11,val\n".encode("latin-1"))
    with pytest.raises(AnnotationError, match=r"val.csv.gz: cannot be read: line 5 is no UTF-8 text"):
        vidprep.audit("k400", annotations=[put(tmp_path / "val.csv.gz", data)])
