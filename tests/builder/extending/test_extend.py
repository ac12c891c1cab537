"""A finished set gets the videos that were missing: new shards behind the old ones, which stay."""

import shutil
from collections import Counter

import pytest

import vidprep
from tests.helpers.raw_videos.extensions import build, counts, raw_videos, statuses, tar_hashes
from tests.helpers.sets.builds import problems
from vidprep.errors import BuildError, ShardError
from vidprep.shards.index import read_index
from vidprep.shards.manifest import read_manifest


def test_old_shards_stay_and_new_ones_come_behind(extended):
    before, now = tar_hashes(extended.before), tar_hashes(extended.out)
    assert before.items() < now.items()
    new = [
        "train/mini_k400-train-000002.tar",
        "validation/mini_k400-validation-000001.tar",
    ]
    assert sorted(now.keys() - before.keys()) == new
    assert problems(extended.out) == []
    extension = extended.result.extension
    assert extension.shards == tuple(new)
    assert (extension.generation, extension.why) == (2, "4 missing videos were found")
    assert extension.num_added == {"train": 3, "validation": 1}


def test_every_generation_adds_up(extended):
    assert counts(extended.out, 1) == Counter(used=9, missing=4)
    assert counts(extended.out, 2) == counts(extended.out) == Counter(used=13)
    for generation in (1, 2):
        for total in read_manifest(extended.out, generation).totals.values():
            assert total.used + total.missing + total.rejected == total.annotated
    kept = extended.out / "generations" / "0001"
    for name in ("manifest.json", "index.parquet", "ledger.parquet"):
        assert (kept / name).read_bytes() == (extended.before / name).read_bytes()


def test_a_generation_is_read_as_it_was(extended):
    before = vidprep.ShardSet.open(extended.before)
    again = vidprep.ShardSet.open(extended.out, generation=1)
    assert (again.fingerprint, again.index) == (before.fingerprint, before.index)
    now = vidprep.ShardSet.open(extended.out)
    assert len(now.split("train")) == len(before.split("train")) + 3
    # Old samples keep their rows, new ones come behind them.
    old = before.split("train").index
    assert now.split("train").index.slice(0, old.num_rows).to_pylist() == old.to_pylist()
    with pytest.raises(ShardError, match=r"has no generation 3; it has 1 to 2"):
        vidprep.ShardSet.open(extended.out, generation=3)
    with pytest.raises(ShardError, match=r"has no generation 2; it has only 1: it was never extended"):
        read_manifest(extended.before, 2)


def test_the_same_samples_as_a_build_of_all(extended, tmp_path):
    build(extended.raw, tmp_path / "whole", extended.late)
    facts = ["key", "label", "num_frames", "mp4_crc32"]
    rows = [
        sorted(read_index(out).select(facts).to_pylist(), key=lambda row: row["key"])
        for out in (extended.out, tmp_path / "whole")
    ]
    assert rows[0] == rows[1]
    vidprep.subset(extended.out, tmp_path / "again")
    assert tar_hashes(tmp_path / "again") == tar_hashes(tmp_path / "whole")


def test_extending_again_adds_nothing(extended, copy):
    out = copy(extended.out)
    manifest = (out / "manifest.json").read_bytes()
    result = build(extended.raw, out, extended.late, extend=True)
    assert (result.extension, result.manifest.generation) == (None, 2)
    assert (out / "manifest.json").read_bytes() == manifest
    assert not (out / ".build" / "generation-0003").exists()


def test_a_plain_build_tells_what_is_there_now(gaps, copy):
    out = copy(gaps.out)
    before = (out / "manifest.json").read_bytes()
    result = build(gaps.raw, out, gaps.late)
    assert (result.num_newly_there, result.manifest.generation) == (4, 1)
    assert (out / "manifest.json").read_bytes() == before


def test_three_generations(gaps, copy, tmp_path):
    out = copy(gaps.out)
    part = tmp_path / "part"
    late = sorted(gaps.late.rglob("*.mp4"))
    for path in late[:2]:
        target = part / path.relative_to(gaps.late)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert build(gaps.raw, out, part, extend=True).manifest.generation == 2
    result = build(gaps.raw, out, gaps.late, extend=True)
    assert [one.generation for one in result.manifest.history] == [2, 3]
    assert [counts(out, generation)["used"] for generation in (1, 2, 3)] == [9, 11, 13]
    assert problems(out) == []
    assert len(vidprep.ShardSet.open(out, generation=2).index) == 11


def test_rejected_videos_are_tried_anew(tmp_path, misbehaving_ffmpeg):
    raw, late = raw_videos(tmp_path, late=["video2"])
    out = tmp_path / "set"
    crashing = misbehaving_ffmpeg("video7", "kill -SEGV $$")
    build(raw, out, ffmpeg=crashing)
    assert statuses(out)["video7"] == ("rejected", "crashed")
    # With the same result, nothing changes.
    same = build(raw, out, ffmpeg=crashing, extend=True, retry=["crashed"])
    assert (same.extension, same.manifest.generation) == (None, 1)
    result = build(raw, out, late, extend=True, retry=["crashed", "timed_out"])
    assert statuses(out)["video7"] == statuses(out)["video2"] == ("used", "")
    assert statuses(out, 1)["video7"] == ("rejected", "crashed")
    assert result.extension.retried == ("crashed",)
    assert result.extension.why == "1 missing videos were found; 1 rejected as crashed were tried anew"
    assert problems(out) == []


def test_found_videos_that_are_no_good_are_rejected(gaps, copy, tmp_path):
    out, late = copy(gaps.out), shutil.copytree(gaps.late, tmp_path / "late")
    broken = {path.stem[:-14]: path for path in late.rglob("*.mp4")}
    broken["video1"].write_bytes(b"")
    broken["video4"].write_bytes(b"no video")
    result = build(gaps.raw, out, late, extend=True)
    assert statuses(out)["video1"] == ("rejected", "zero_bytes")
    assert statuses(out)["video4"] == ("rejected", "unreadable")
    assert result.extension.num_rejected == {"train": 2, "validation": 0}
    assert counts(out) == Counter(used=11, rejected=2)
    assert problems(out) == []


def test_only_the_new_videos_have_to_be_there(extended, gaps, copy, tmp_path):
    out = copy(gaps.out)
    shutil.rmtree(out / ".build")
    annotations = gaps.raw.csv.parent
    result = vidprep.build(
        "mini_k400",
        out,
        sources=[gaps.late],
        annotations=[annotations],
        overrides=["transcode.short_side=48", "shards.samples_per_shard=4"],
        in_process=True,
        extend=True,
    )
    assert result.extension.num_added == {"train": 3, "validation": 1}
    assert tar_hashes(out) == tar_hashes(extended.out)


def test_a_lost_shard_is_built_again(extended, copy):
    out = copy(extended.out)
    before = tar_hashes(out)
    for name in ("train/mini_k400-train-000000.tar", "train/mini_k400-train-000002.tar"):
        (out / name).unlink()
    result = build(extended.raw, out, extended.late)
    assert tar_hashes(out) == before
    assert (result.manifest.generation, result.num_newly_there) == (2, 0)
    assert problems(out) == []


def test_a_lost_shard_whose_build_is_gone(extended, copy):
    out = copy(extended.out)
    shutil.rmtree(out / ".build" / "generation-0002")
    (out / "train/mini_k400-train-000002.tar").unlink()
    with pytest.raises(BuildError, match=r"000002.tar is gone, and so is what its build kept. Copy it"):
        build(extended.raw, out, extended.late)
