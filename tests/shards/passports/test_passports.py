"""Two laboratories with the same annotation: a comparison finds exactly what differs between their sets."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.raw_videos.raw_k400 import run_build
from tests.helpers.raw_videos.two_laboratories import download
from vidprep.errors import ShardError
from vidprep.shards.passports.comparison import compare_passports
from vidprep.shards.passports.content_hash import SAME_CONTENT_BITS, content_hash, differing_bits
from vidprep.shards.passports.making import hash_contents, open_passport, passport_of
from vidprep.shards.passports.passport import make_passport, read_passport, write_passport
from vidprep.shards.shard_set import ShardSet

NUM_VIDEOS = 8


def laboratory(folder, downloads, **differences):
    """What is built from the downloads of a laboratory."""
    splits = ["train"] * 6 + ["val"] * 2
    raw = download(folder / "raw", downloads, splits, **differences)
    out = folder / "set"
    done = run_build(raw, out, "--sync")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def ours(downloads, tmp_path_factory):
    return laboratory(tmp_path_factory.mktemp("ours"), downloads)


@pytest.fixture(scope="module")
def theirs(downloads, tmp_path_factory):
    return laboratory(
        tmp_path_factory.mktemp("theirs"), downloads, missing=[5], other_encoding=[1, 6], swapped=[2, 3]
    )


def full_passport(shards_dir):
    return passport_of(ShardSet.open(shards_dir), contents=hash_contents(ShardSet.open(shards_dir)))


def videos(comparison, relation):
    chosen = comparison.rows[comparison.rows["relation"] == relation]
    return sorted(video.split("_")[0] for video in chosen["video_id"])


def test_compare_finds_exactly_what_differs(ours, theirs):
    found = compare_passports(full_passport(ours), full_passport(theirs))
    assert videos(found, "same_bytes") == ["video0", "video4", "video7"]
    assert videos(found, "same_content") == ["video1", "video6"]
    assert videos(found, "different_content") == ["video2", "video3"]
    assert videos(found, "only_first") == ["video5"]
    assert len(found.rows) == NUM_VIDEOS
    assert found.same_annotation and found.same_classes and not found.is_same
    assert found.recipe_differences == ()
    differing = found.per_class().iloc[0]
    assert (differing["split"], differing["class"], differing["first"], differing["second"]) == (
        "train",
        "yoga",
        6,
        5,
    )


def test_a_set_is_the_same_as_itself(ours):
    found = compare_passports(full_passport(ours), open_passport(ours))
    assert found.is_same
    assert set(found.rows["relation"]) == {"same_bytes"}


def test_a_passport_is_read_as_it_was_written(ours, tmp_path):
    passport = full_passport(ours)
    for name in ("a", "b"):
        write_passport(passport, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again = read_passport(tmp_path / "a")
    assert again.head == passport.head
    pd.testing.assert_frame_equal(again.rows, passport.rows)
    assert str(ours).encode() not in (tmp_path / "a").read_bytes()  # no machine's path


def test_the_hash_does_not_depend_on_where_the_set_lies(ours, tmp_path):
    moved = shutil.copytree(ours, tmp_path / "elsewhere")
    assert full_passport(moved).head == full_passport(ours).head


def test_a_damaged_passport_is_refused(ours, tmp_path):
    path = tmp_path / "p.parquet"
    passport = full_passport(ours)
    write_passport(passport, path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ShardError, match=r"p\.parquet is no passport, or a damaged one"):
        read_passport(path)
    changed = passport.rows.assign(num_frames=passport.rows["num_frames"] + 1)
    write_passport(type(passport)("x", passport.head, changed), path)
    with pytest.raises(ShardError, match="its rows are not those that its own hash names"):
        read_passport(path)
    with pytest.raises(ShardError, match="No shard set and no passport at"):
        read_passport(tmp_path / "none.parquet")


def test_other_datasets_are_not_compared(ours):
    with pytest.raises(ValueError, match=r"is of k400, .* is of ssv2|of k400, .* of ssv2"):
        compare_passports(open_passport(ours), open_passport(RELEASE_0_1 / "shards"))


def test_a_set_of_the_last_release_gets_a_passport():
    passport = full_passport(RELEASE_0_1 / "shards")
    assert passport.head.totals["train"].used == 15
    assert (passport.rows["status"] == "used").sum() == passport.rows["content"].notna().sum() == 21
    assert sorted(passport.rows.loc[passport.rows["status"] == "rejected", "reason"]) == [
        "no_video_stream", "partial", "zero_bytes",
    ]  # fmt: skip


def test_the_content_hash_tells_pictures_apart():
    random = np.random.default_rng(0)
    grids = [random.integers(0, 256, (8, 9)).astype(np.uint8) for _ in range(6)]
    one, other = content_hash(grids[:3]), content_hash(grids[3:])
    brighter = content_hash([np.clip(grid * 0.8 + 20, 0, 255).astype(np.uint8) for grid in grids[:3]])
    bits = differing_bits(np.array([one, one, one], object), np.array([one, brighter, other], object))
    assert bits[0] == 0
    assert bits[1] <= SAME_CONTENT_BITS < bits[2]


def test_a_quarter_million_rows_are_compared(ours):
    """As many as Kinetics-400 has; how fast stands in the benchmarks."""
    number = 250_000
    random = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "split": "train",
            "video_id": [f"v{n:07d}" for n in range(number)],
            "label": 0,
            "status": "used",
            "reason": "",
            "num_frames": 300,
            "mp4_crc32": pd.array(random.integers(0, 2**32, number, dtype=np.uint32), pd.UInt32Dtype()),
            "content": [random.bytes(24) for _ in range(number)],
        }
    )
    head = open_passport(ours).head
    facts = {
        "recipe": head.recipe,
        "classes": head.classes,
        "tools": {},
        "totals": head.totals,
        "expected": {},
    }
    first = make_passport("a", rows, **facts)
    second = make_passport("b", rows.iloc[::2], **facts)
    counts = compare_passports(first, second).counts()["train"]
    assert counts.to_dict() == {"same_bytes": number // 2, "only_first_annotates": number // 2}
