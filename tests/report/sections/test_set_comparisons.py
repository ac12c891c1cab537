"""Two shard sets on one page, side by side."""

import json
import shutil

import pytest

from vidprep.report.find import find_subjects
from vidprep.report.page import write_page
from vidprep.report.sections.set_comparisons import view_comparisons
from vidprep.shards.ledger import read_ledger
from vidprep.shards.passports.content_hash import HASH_BYTES
from vidprep.shards.passports.making import open_passport
from vidprep.shards.passports.passport import make_passport, write_passport


def rewrite_passport(root, change):
    """Give a set another passport: its rows as `change` leaves them."""
    made = open_passport(root)
    rows = made.rows.assign(
        content=[bytes(HASH_BYTES) if crc else None for crc in made.rows["mp4_crc32"].notna()]
    )
    facts = {name: getattr(made.head, name) for name in ("recipe", "classes", "tools", "totals", "expected")}
    write_passport(make_passport("", change(rows), **facts), root / "passport.parquet")


@pytest.fixture(scope="module")
def two(work, tmp_path_factory):
    """A set, and a copy that stores videos otherwise, lacks one and has a wrong one."""
    root = tmp_path_factory.mktemp("two")
    for name in ("ours", "theirs"):
        shutil.copytree(work / "shards", root / name)
        path = root / name / "manifest.json"
        manifest = json.loads(path.read_text()) | {"tools": {"ffmpeg": name}}
        manifest["recipe"]["transcode"]["crf"] = {"ours": 18, "theirs": 23}[name]
        path.write_text(json.dumps(manifest))
    rewrite_passport(root / "ours", lambda rows: rows)

    def spoil(rows):
        rows = rows.set_index("video_id", drop=False)
        in_train = rows["split"] == "train"
        rows.loc[in_train & (rows["video_id"] == "v0"), "status"] = "missing"
        wrong = (in_train & (rows["video_id"] == "v4")).to_numpy()
        rows["mp4_crc32"] = rows["mp4_crc32"].mask(wrong, 7)
        rows["content"] = [
            b"\xff" * HASH_BYTES if one else old for one, old in zip(wrong, rows["content"], strict=True)
        ]
        return rows.reset_index(drop=True)

    rewrite_passport(root / "theirs", spoil)
    return root


def test_what_differs(two):
    (view,) = view_comparisons(find_subjects([two]))
    assert (view.first, view.second) == ("ours", "theirs")
    assert view.sentences == [
        "Both annotate the same videos.",
        "differs  transcode.crf: 18 / 23",
        "differs  ffmpeg: ours / theirs",
    ]
    counts = {row[0]: row[1:] for row in view.counts}
    assert counts["used in both, equal to the byte"] == ["7", "9"]
    assert counts["used in A only"] == ["1", "0"]
    assert view.unused == [
        ["not used", "split", "A", "B"],
        ["missing", "train", "2", "3"],
        ["rejected: partial", "train", "60", "60"],
    ]
    assert view.different[1:] == [["train", "v4", view.different[1][2], "192"]]
    assert len(view.classes) == 2 and view.classes[1][2:] == ["9", "8", "8"]


def test_it_is_on_the_page(two):
    page = write_page(find_subjects([two]))
    assert '<section id="comparison-1">' in page and 'href="#comparison-1"' in page
    assert "differs  transcode.crf: 18 / 23" in page and "One of each pair is a wrong download" in page
    assert "<tr><td>train</td><td>v4</td>" in page and '<td class="n">192</td>' in page


def test_a_single_set_or_a_damaged_passport_makes_no_section(two, tmp_path):
    assert view_comparisons(find_subjects([two / "ours"])) == []
    root = shutil.copytree(two, tmp_path / "two")
    (root / "theirs/passport.parquet").write_bytes(b"damaged")
    assert view_comparisons(find_subjects([root])) == []
    assert read_ledger(root / "theirs").num_rows
