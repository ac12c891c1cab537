"""Builds into a bucket of a real S3 protocol: the bytes of a local build, and what reads them there."""

import platform
import re
from datetime import UTC, datetime, timedelta

import pytest

import vidprep
from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.raw_k400 import SMALL, Raw, run_build
from tests.helpers.sets.builds import hashes
from tests.helpers.stores.bucket import WARNINGS
from tests.helpers.stores.store_builds import URL, files, kept, lease, objects
from vidprep.builder.places.place import scratch_of
from vidprep.builder.progress.status import read_status

pytestmark = WARNINGS


def build(raw, *options, url=URL):
    done = run_build(raw, url, "--sync", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_bytes_are_those_of_a_local_build(dozen, reference, bucket, scratch):
    assert f"Shard set: {URL}" in build(dozen)
    assert objects(bucket) == files(reference)
    assert hashes(reference).items() <= objects(bucket).items()
    assert not [name for name in kept(bucket) if re.search("staging|lease|probe", name)]
    assert not scratch_of(URL).exists()
    assert read_status(URL).state == "complete"
    assert "13 of 13 done" in run_here("status", URL).stdout
    assert "train" in run_here("ledger", URL, "--list", "used").stdout
    assert "sample" in run_here("explain", URL, "train-video0_000000_000010").stdout
    assert "all as the manifest says" in run_here("verify", URL, "--workers", 1).stdout
    assert vidprep.ShardSet.open(URL).fingerprint == vidprep.ShardSet.open(reference).fingerprint
    before = bucket.info("bucket/sets/k400/manifest.json")["LastModified"]
    build(dozen)
    assert bucket.info("bucket/sets/k400/manifest.json")["LastModified"] == before


@pytest.mark.slow
def test_from_python_and_a_report(dozen, reference, bucket, tmp_path):
    result = vidprep.build("mini_k400", URL, sources=[dozen.folder], overrides=SMALL[1::2], in_process=True)
    assert result.out_dir == URL
    assert result.manifest.totals["train"].used == 10
    assert objects(bucket) == files(reference)
    page = tmp_path / "page.html"
    assert "1 shard set" in run_here("report", URL, "--out", page).stdout
    assert "data:image" in page.read_text()


@pytest.mark.slow
def test_what_is_damaged_in_the_store_is_found_and_built_again(dozen, reference, bucket):
    build(dozen)
    path = "bucket/sets/k400/train/mini_k400-train-000001.tar"
    data = bucket.cat_file(path)
    bucket.pipe_file(path, data[:-1] + b"x")
    found = run_here("verify", URL, "--workers", 1)
    assert found.returncode == 1
    assert "train-000001.tar: not the bytes" in found.stdout
    bucket.rm_file(path)
    build(dozen)
    assert objects(bucket) == files(reference)


@pytest.mark.slow
def test_a_shard_without_a_single_good_video_leaves_no_gap(raw, bucket, tmp_path):
    for number in range(9):
        path = raw.add(f"video{number}")
        if number in (0, 4, 5, 7):
            path.write_bytes(b"no video at all")
    raw.add("held_out", split="val")
    options = ("--set", "shards.samples_per_shard=1")
    build(raw, *options)
    assert run_build(raw, tmp_path / "set", "--sync", *options).returncode == 0
    assert objects(bucket) == files(tmp_path / "set")


@pytest.mark.slow
def test_a_set_in_a_store_is_extended(bucket, tmp_path):
    raw, late = Raw(tmp_path / "raw"), Raw(tmp_path / "late")
    for number in range(8):
        raw.add(f"video{number}", write=number < 5)
    raw.add("held_out", split="val")
    for number in range(5, 8):
        late.add(f"video{number}")
    build(raw)
    assert run_build(raw, tmp_path / "set", "--sync").returncode == 0
    options = ("--source", str(late.folder), "--annotations", str(raw.csv.parent), "--sync")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        for place in (URL, tmp_path / "set"):
            done = run_build(raw, place, *options, "--extend")
            assert done.returncode == 0, done.stderr
            assert "Generation 2: 3 missing videos were found" in done.stdout
    assert objects(bucket) == files(tmp_path / "set")
    assert read_status(URL).generation == 2
    assert not [name for name in kept(bucket) if re.search(r"staging|lease", name)]


@pytest.mark.slow
@pytest.mark.parametrize("total", [2, 5])
def test_tasks_of_an_array_share_nothing_but_the_store(dozen, reference, bucket, total, scratch):
    for number in range(1, total + 1):
        said = build(dozen, "--array", f"{number}/{total}")
        if number == 1:
            assert "shards of other tasks are not finished yet" in said
            assert read_status(URL).state == "stopped"
            assert "manifest.json" not in objects(bucket)
    assert objects(bucket) == files(reference)
    assert not [name for name in kept(bucket) if re.search("staging|lease|share", name)]
    assert sum(name.startswith("log.jsonl/") for name in kept(bucket)) >= 2


def test_a_second_build_is_told_who_builds_and_since_when(dozen, reference, bucket):
    since = datetime(2026, 11, 29, 22, 15, tzinfo=UTC)
    bucket.pipe_file("bucket/sets/k400/.build/lease/000003.json", lease(since=since))
    refused = run_build(dozen, URL, "--sync")
    assert refused.returncode == 1
    message = " ".join(refused.stderr.split())
    assert f"Another build is working in {URL} (process 42 on node7, since 2026-11-29 22:15:00" in message
    bucket.pipe_file("bucket/sets/k400/.build/plan.parquet", b"")
    assert run_build(dozen, URL, "--sync", "--array", "1/2").returncode == 1
    bucket.rm_file("bucket/sets/k400/.build/plan.parquet")
    share = lease(share="1/2")
    bucket.pipe_file("bucket/sets/k400/.build/lease/000003.json", share)
    assert "share 1/2 of a job array, process 42" in run_build(dozen, URL, "--sync").stderr
    assert "1/2" in run_build(dozen, URL, "--sync", "--array", "1/2").stderr
    late = datetime.now(UTC) - timedelta(seconds=1)
    bucket.pipe_file("bucket/sets/k400/.build/lease/000003.json", lease(expires=late))
    dead = lease(host=platform.node(), pid=2**22 + 1)
    bucket.pipe_file("bucket/sets/k400/.build/lease/000004.json", dead)
    build(dozen)
    assert objects(bucket) == files(reference)


def test_a_place_with_other_things_is_left_alone(dozen, bucket):
    bucket.pipe_file("bucket/sets/k400/thesis.tex", b"")
    refused = run_build(dozen, URL, "--sync")
    assert refused.returncode == 1
    assert "holds no build of vidprep (it has 'thesis.tex')" in " ".join(refused.stderr.split())
    assert list(objects(bucket)) == ["thesis.tex"]
    assert kept(bucket) == []


def test_another_recipe_is_refused_with_what_differs(dozen, bucket):
    build(dozen, "--array", "1/2")
    refused = run_build(dozen, URL, "--sync", "--set", "transcode.crf=30")
    assert refused.returncode == 1
    message = " ".join(refused.stderr.split())
    assert f"{URL} holds the build of another plan" in message
    assert "transcode was" in message
