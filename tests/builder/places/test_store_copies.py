"""Subsets, merged and resharded sets that are made in a bucket: the bytes of those made on a disk."""

import pytest

import vidprep
from tests.helpers.programs.program import run_here
from tests.helpers.stores.bucket import WARNINGS
from tests.helpers.stores.store_builds import files, kept, objects
from vidprep.builder.copying.copies import copying_engine
from vidprep.builder.places.place import scratch_of
from vidprep.errors import BuildError, BuildStopped

pytestmark = WARNINGS
NEW = "s3://bucket/sets/new"
FULL = "s3://bucket/sets/full"


def run(*words):
    done = run_here(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_subset_from_a_store_into_a_store(reference, bucket, tmp_path):
    run("push", reference, FULL)
    assert f"Shard set: {NEW}" in run("subset", FULL, "--limit", 3, "--out", NEW)
    vidprep.subset(reference, tmp_path / "here", limit=3)
    assert objects(bucket, NEW) == files(tmp_path / "here")
    assert not scratch_of(NEW).exists()
    before = objects(bucket, NEW)
    run("subset", FULL, "--limit", 3, "--out", NEW)
    assert objects(bucket, NEW) == before


@pytest.mark.slow
def test_a_merged_and_a_resharded_set_in_a_store(reference, bucket, tmp_path):
    few = vidprep.subset(reference, tmp_path / "few", splits=["validation"]).out_dir
    all_videos = vidprep.subset(reference, tmp_path / "all").out_dir
    assert len(list(few.glob("*/*.tar"))) < len(list(all_videos.glob("*/*.tar")))
    result = vidprep.merge([all_videos, reference], NEW)
    assert result.out_dir == NEW
    assert objects(bucket, NEW) == files(vidprep.merge([all_videos, reference], tmp_path / "merged").out_dir)
    assert run_here("compare", NEW, tmp_path / "merged").returncode == 0
    run("reshard", reference, "--samples-per-shard", 7, "--out", f"{NEW}7")
    run("reshard", reference, "--samples-per-shard", 7, "--out", tmp_path / "seven")
    assert objects(bucket, f"{NEW}7") == files(tmp_path / "seven")


def test_stopped_it_goes_on_to_the_same_bytes(reference, bucket, tmp_path, monkeypatch):
    def stopped(outcomes):
        engine = copying_engine(outcomes)

        def run_one(tasks, report):
            engine(tasks[:1], report)
            raise BuildStopped("Stopped.")

        return run_one

    with monkeypatch.context() as patch:
        patch.setattr("vidprep.builder.copying.copies.copying_engine", stopped)
        with pytest.raises(BuildStopped, match="1 of"):
            vidprep.subset(reference, NEW)
    assert "manifest.json" not in objects(bucket, NEW)
    assert [name for name in kept(bucket, NEW) if name.startswith("done/")]
    vidprep.subset(reference, NEW)
    assert objects(bucket, NEW) == files(vidprep.subset(reference, tmp_path / "here").out_dir)


def test_a_place_with_other_things_is_left_alone(reference, bucket):
    bucket.pipe("bucket/sets/new/notes.txt", b"notes")
    with pytest.raises(BuildError, match="is not empty and holds no build of vidprep"):
        vidprep.subset(reference, NEW)
    assert list(objects(bucket, NEW)) == ["notes.txt"]
