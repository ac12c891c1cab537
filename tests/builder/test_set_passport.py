"""The passport in every new set: taken while videos are checked, the same bytes however it was made."""

import shutil

import numpy as np
import pytest

import vidprep
from tests.helpers.paths import RELEASE_0_1
from tests.helpers.sets.builds import build
from vidprep.errors import ShardError
from vidprep.shards.index import read_index
from vidprep.shards.manifest import read_manifest
from vidprep.shards.passports.making import hash_contents, open_passport
from vidprep.shards.passports.passport import read_passport
from vidprep.shards.shard_set import ShardSet

PASSPORT = "passport.parquet"


def test_it_lies_in_the_set_and_needs_no_second_decode(reference):
    found = read_passport(reference / PASSPORT)
    rows = found.rows[found.rows["status"] == "used"]
    taken = dict(zip(rows["split"] + "-" + rows["video_id"], rows["content"], strict=True))
    assert taken == hash_contents(ShardSet.open(reference))
    index = read_index(reference).to_pandas().set_index("key")
    stored = index.loc[rows["split"] + "-" + rows["video_id"]]
    np.testing.assert_array_equal(stored["mp4_crc32"], rows["mp4_crc32"].astype(np.uint32))
    np.testing.assert_array_equal(stored["num_frames"], rows["num_frames"])
    assert found.head.totals == read_manifest(reference).totals


def test_two_workers_make_the_same_bytes(dozen, reference, tmp_path):
    build(dozen, tmp_path / "set", "--workers", 2)
    for name in (PASSPORT, "manifest.json"):
        assert (tmp_path / "set" / name).read_bytes() == (reference / name).read_bytes()


def test_a_subset_has_the_passport_of_a_build(reference, tmp_path):
    vidprep.subset(reference, tmp_path / "set", overrides=["shards.samples_per_shard=4"])
    assert (tmp_path / "set" / PASSPORT).read_bytes() == (reference / PASSPORT).read_bytes()


def test_verify_finds_a_changed_passport(reference, tmp_path):
    root = shutil.copytree(reference, tmp_path / "set")
    assert vidprep.verify(root, num_workers=0).problems == ()
    shutil.copy(RELEASE_0_1 / "shards/ledger.parquet", root / PASSPORT)
    (problem,) = vidprep.verify(root, num_workers=0).problems
    assert problem.startswith("passport.parquet: not the bytes that follow from the manifest")
    with pytest.raises(ShardError, match=r"passport\.parquet is not the one of manifest\.json"):
        open_passport(root)
    (root / PASSPORT).unlink()
    (problem,) = vidprep.verify(root, num_workers=0).problems
    assert problem.startswith("passport.parquet is missing")


def test_publishing_it_decodes_nothing(reference, tmp_path):
    root = shutil.copytree(reference, tmp_path / "set")
    for tar in root.glob("*/*.tar"):
        tar.write_bytes(b"")
    vidprep.passport(root, tmp_path / "p.parquet")
    assert (tmp_path / "p.parquet").read_bytes() == (reference / PASSPORT).read_bytes()


def test_a_set_of_the_last_release_gets_one_by_decoding(tmp_path):
    made = vidprep.passport(RELEASE_0_1 / "shards", tmp_path / "p.parquet")
    used = made.rows["status"] == "used"
    assert used.sum() == made.rows["content"].notna().sum() == 21
    assert vidprep.verify(RELEASE_0_1 / "shards", num_workers=0).problems == ()


def test_copied_videos_have_no_fingerprint_until_somebody_decodes_them(dozen, tmp_path):
    """In copy mode the bytes are those of the source, which the build's own process never opens."""
    build(dozen, tmp_path / "set", "--sync", "--set", "transcode.mode=copy")
    assert open_passport(tmp_path / "set").rows["content"].isna().all()
    made = vidprep.passport(tmp_path / "set", tmp_path / "p.parquet")
    assert made.rows["content"].notna().all()
