"""Lists of checksums: every common form, and which video a line is about."""

import pandas as pd
import pytest

from vidprep.datasets.checksums.lists import read_checksums, with_checksums
from vidprep.errors import SourceError

A, B = "a" * 64, "b" * 32


def written(tmp_path, text):
    path = tmp_path / "sums.txt"
    path.write_text(text)
    return [path]


@pytest.mark.parametrize(
    ("line", "name", "checksum"),
    [
        (f"{A}  train/yoga/a.mp4", "train/yoga/a.mp4", f"sha256:{A}"),
        (f"{A} *./a b.mp4", "a b.mp4", f"sha256:{A}"),
        (f"{B.upper()}  a.mp4", "a.mp4", f"md5:{B}"),
        (f"\\{B}  a\\\\b\\nc.mp4", "a\\b\nc.mp4", f"md5:{B}"),
        (f"SHA256 (a.mp4) = {A}", "a.mp4", f"sha256:{A}"),
        (f"MD5(a.mp4)= {B}", "a.mp4", f"md5:{B}"),
    ],
)
def test_lines(tmp_path, line, name, checksum):
    assert read_checksums(written(tmp_path, f"# made by me\n\n{line}\n")) == {name: checksum}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.mp4\n", r"sums.txt line 1: 'a.mp4' is no checksum. Lines look like `HEX  name`"),
        (f"{'c' * 40}  a.mp4\n", r"line 1: a checksum of 40 digits is neither sha256 \(64\) nor md5 \(32\)"),
        (f"{A}  a.mp4\n{'c' * 64}  a.mp4\n", r"line 2: a.mp4 has another checksum above"),
    ],
)
def test_what_is_no_list(tmp_path, text, said):
    with pytest.raises(SourceError, match=said):
        read_checksums(written(tmp_path, text))


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"list of checksums .*none.txt cannot be read"):
        read_checksums([tmp_path / "none.txt"])


def test_which_video_a_line_is_about():
    sources = ["train/yoga/a.mp4", "val/yoga/a.mp4", "train/yoga/b.mp4", "c.mp4", ""]
    status = ["present"] * 4 + ["missing"]
    sums = {
        "yoga/b.mp4": "md5:1",
        "x/train/yoga/a.mp4": "md5:2",
        "other/a.mp4": "md5:3",
        "k400/c.mp4": "md5:4",
    }
    rows, unlisted = with_checksums(pd.DataFrame({"source": sources, "status": status}), sums)
    assert rows["checksum"].tolist() == ["", "", "md5:1", "md5:4", ""]
    assert (unlisted.num_videos, unlisted.example) == (2, "train/yoga/a.mp4")
