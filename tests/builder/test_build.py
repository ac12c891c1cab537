"""Whole builds: every video accounted for, the same bytes whoever builds and whatever is killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import webdataset

from tests.helpers.programs.processes import children_with
from tests.helpers.raw_videos.videos import decode_grey, read_numbers
from tests.helpers.sets.builds import (
    SLOW,
    build,
    hashes,
    outcomes,
    problems,
    start_build,
    videos_seen,
    wait_until,
)
from vidprep.builder.explain import explain
from vidprep.builder.progress.status import read_status
from vidprep.builder.workspace.log import read_log
from vidprep.shards.index import read_index
from vidprep.shards.ledger import REASONS
from vidprep.shards.manifest import read_manifest


def test_every_annotated_video_is_in_the_set(reference):
    manifest = read_manifest(reference)
    assert [(shard.name, shard.num_samples) for shard in manifest.shards] == [
        ("train/mini_k400-train-000000.tar", 4),
        ("train/mini_k400-train-000001.tar", 4),
        ("train/mini_k400-train-000002.tar", 2),
        ("validation/mini_k400-validation-000000.tar", 3),
    ]
    assert (manifest.totals["train"].used, manifest.totals["validation"].used) == (10, 3)
    index = read_index(reference).to_pylist()
    frames = {row["video_id"]: row["num_frames"] for row in index if row["split"] == "train"}
    assert frames == {f"video{number}_000000_000010": 4 + number for number in range(10)}


def test_the_order_within_the_set_is_shuffled_but_fixed(reference):
    ids = [row["video_id"] for row in read_index(reference).to_pylist() if row["split"] == "train"]
    assert ids != sorted(ids)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it closes its tars late
def test_webdataset_reads_the_same(reference):
    urls = str(reference / "train" / "mini_k400-train-{000000..000002}.tar")
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    rows = [row for row in read_index(reference).to_pylist() if row["split"] == "train"]
    assert [sample["__key__"] for sample in samples] == [row["key"] for row in rows]
    for sample, row in zip(samples, rows, strict=True):
        assert int(sample["cls"]) == row["label"]
        assert json.loads(sample["json"])["class"] == row["class"]
        tar = (reference / row["shard"]).read_bytes()
        assert sample["mp4"] == tar[row["mp4_offset"] : row["mp4_offset"] + row["mp4_size"]]


def test_the_frames_in_the_tar_are_the_frames_of_the_source(reference, tmp_path):
    for row in read_index(reference).to_pylist():
        tar = (reference / row["shard"]).read_bytes()
        path = tmp_path / "a.mp4"
        path.write_bytes(tar[row["mp4_offset"] : row["mp4_offset"] + row["mp4_size"]])
        assert read_numbers(decode_grey(path)) == list(range(row["num_frames"]))


def test_tars_are_plain_ustar(reference):
    import tarfile

    for path in reference.glob("*/*.tar"):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            assert not tar.pax_headers
        assert {member.type for member in members} == {tarfile.REGTYPE}
        assert {(member.mtime, member.uid, member.gid, member.mode) for member in members} == {
            (0, 0, 0, 0o444)
        }
        assert [member.name.rsplit(".")[1] for member in members] == ["cls", "json", "mp4"] * (
            len(members) // 3
        )


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bytes_with_any_number_of_workers(dozen, reference, tmp_path, workers):
    build(dozen, tmp_path / "set", "--workers", workers)
    assert hashes(tmp_path / "set") == hashes(reference)


def workers_of(process):
    return children_with("spawn_main", pid=process.pid, recursive=True)


def test_a_killed_worker_is_replaced(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    process = start_build(dozen, out, "--workers", 2, "--ffmpeg", misbehaving_ffmpeg(*SLOW))
    wait_until(lambda: videos_seen(out) > 1)
    workers_of(process)[0].kill()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert hashes(out) == hashes(reference)
    events = [event for event in read_log(out) if event["event"] == "video"]
    assert {event["key"] for event in events} == set(read_index(out).column("key").to_pylist())


@pytest.mark.slow
def test_a_killed_program_is_resumed(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    process = start_build(dozen, out, "--workers", 2, "--ffmpeg", misbehaving_ffmpeg(*SLOW))
    wait_until(lambda: videos_seen(out) > 5)
    workers = workers_of(process)
    process.kill()
    process.communicate()
    assert read_status(out).state == "stopped"
    assert not (out / "manifest.json").exists()
    wait_until(lambda: not any(worker.is_running() for worker in workers))
    staging, done = out / ".build" / "staging", out / ".build" / "done"
    finished = {path.stem: (staging / f"{path.stem}.tar").stat().st_mtime_ns for path in done.glob("*.json")}
    build(dozen, out, "--workers", 2)
    assert hashes(out) == hashes(reference)
    for number, written in finished.items():
        tar = sorted(out.glob("*/*.tar"))[int(number)]
        assert tar.stat().st_mtime_ns == written, "a finished shard is not built again"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("engine", [pytest.param(("--workers", 2), marks=pytest.mark.slow), ("--sync",)])
def test_stopped_in_between_says_how_to_go_on(dozen, reference, tmp_path, misbehaving_ffmpeg, number, engine):
    out = tmp_path / "set"
    process = start_build(dozen, out, *engine, "--ffmpeg", misbehaving_ffmpeg(*SLOW))
    wait_until(lambda: videos_seen(out) > 1)
    workers = workers_of(process)
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 128 + number
    words = r"Stopped\. \d of 4 shards .* \d+ videos of others\. Run the same command again"
    assert re.search(words, output)
    assert "Traceback" not in output
    assert not any(worker.is_running() for worker in workers)
    assert len(list(out.glob(".build/staging/*.partial"))) == len(list(out.glob(".build/staging/*.jsonl")))
    build(dozen, out, "--sync")
    assert hashes(out) == hashes(reference)


def dask(program):
    return [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard"]


@pytest.mark.slow
def test_a_scheduler_without_workers_is_waited_for_and_left_at_once(dozen, tmp_path):
    out, address_file = tmp_path / "set", tmp_path / "scheduler.json"
    scheduler = subprocess.Popen(
        [*dask("scheduler"), "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(address_file)],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: address_file.exists() and address_file.stat().st_size)
        process = start_build(dozen, out, "--scheduler", json.loads(address_file.read_text())["address"])
        log = out / ".build" / "log.jsonl"
        wait_until(lambda: log.exists() and "no workers" in log.read_text())
        process.terminate()
        output, _ = process.communicate(timeout=240)
        assert "The scheduler has no workers yet; waiting for them." in output
        assert "Stopped. 0 of 4 shards are finished" in output
    finally:
        scheduler.kill()
        scheduler.wait()


@pytest.mark.slow
def test_a_cluster_that_runs_elsewhere_and_its_end(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out, address_file = tmp_path / "set", tmp_path / "scheduler.json"
    scheduler = subprocess.Popen(
        [*dask("scheduler"), "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(address_file)],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: address_file.exists() and address_file.stat().st_size)
    worker = subprocess.Popen(
        [*dask("worker"), "--scheduler-file", str(address_file), "--nthreads", "1"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = json.loads(address_file.read_text())["address"]
        process = start_build(dozen, out, "--scheduler", address, "--ffmpeg", misbehaving_ffmpeg(*SLOW))
        wait_until(lambda: videos_seen(out) > 5)
        scheduler.kill()
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 1
        assert "The Dask scheduler is gone. Finished shards are kept" in output
        assert "Traceback" not in output
    finally:
        scheduler.kill()
        worker.terminate()
        scheduler.wait()
        worker.wait()
    build(dozen, out, "--workers", 1)
    assert hashes(out) == hashes(reference)


# More than memory_mb, less than there is when the same is tried again to tell want of memory from damage.
EAT_MEMORY = (
    f"{sys.executable} -c 'bytearray(1200 << 20)' || {{ echo '[error] Cannot allocate memory' >&2; exit 1; }}"
)

# --- one bad video costs itself alone -----------------------------------------------------------------------


# Only what hangs has a short time limit: on a busy machine others need more, above all a shell that waits.
@pytest.mark.parametrize(
    ("line", "limit", "reason"),
    [
        pytest.param("kill -SEGV $$", "timeout_seconds=300", "crashed", marks=pytest.mark.slow),
        pytest.param("exec sleep 1000", "timeout_seconds=10", "timed_out", marks=pytest.mark.slow),
        (EAT_MEMORY, "memory_mb=1024", "out_of_memory"),
    ],
)
def test_a_video_that_harms_its_decoder(dozen, tmp_path, misbehaving_ffmpeg, line, limit, reason):
    ffmpeg = misbehaving_ffmpeg("video7", line)
    build(dozen, tmp_path / "set", "--workers", 2, "--ffmpeg", ffmpeg, "--set", f"transcode.{limit}")
    seen = outcomes(tmp_path / "set")
    assert seen.pop("video7_000000_000010") == ("rejected", reason)
    assert set(seen.values()) == {("used", "")}


def test_every_defect_is_in_the_ledger(raw, tmp_path):
    raw.add("good")
    raw.add("gone", write=False)
    path = raw.add("empty")
    os.truncate(path, 0)
    path = raw.add("half", num_frames=60, options=("-movflags", "+faststart", "-bf", 0, "-g", 5))
    os.truncate(path, path.stat().st_size * 6 // 10)
    raw.add("text").write_text("this is no video")
    raw.add("double")
    raw.add("double", label="archery")
    build(raw, tmp_path / "set", "--sync")
    assert outcomes(tmp_path / "set") == {
        "good_000000_000010": ("used", ""),
        "gone_000000_000010": ("missing", ""),
        "empty_000000_000010": ("rejected", "zero_bytes"),
        "half_000000_000010": ("rejected", "partial"),
        "text_000000_000010": ("rejected", "unreadable"),
        "double_000000_000010": ("rejected", "two_labels"),
    }
    assert {reason for _, reason in outcomes(tmp_path / "set").values()} <= {"", *REASONS}


def test_a_shard_without_a_good_video_leaves_no_gap(raw, tmp_path):
    for number in range(6):
        raw.add(f"video{number}")
    one_each = ("--set", "shards.samples_per_shard=1")
    build(raw, tmp_path / "all", "--sync", *one_each)
    third = read_index(tmp_path / "all").to_pylist()[2]["video_id"].split("_")[0]
    (raw.folder / "train" / "yoga" / f"{third}_000000_000010.mp4").write_text("no video")
    build(raw, tmp_path / "set", "--sync", *one_each)
    names = sorted(path.name for path in (tmp_path / "set" / "train").iterdir())
    assert names == [f"mini_k400-train-{number:06d}.tar" for number in range(5)]
    assert read_manifest(tmp_path / "set").totals["train"].rejected == 1
    build(raw, tmp_path / "set", "--sync", *one_each)  # and is resumed like any other


def test_a_deleted_or_cut_shard_is_built_again(dozen, reference, tmp_path):
    out = tmp_path / "set"
    shutil.copytree(reference, out)
    (out / "train" / "mini_k400-train-000001.tar").unlink()
    os.truncate(out / "train" / "mini_k400-train-000002.tar", 1000)
    assert len(problems(out)) == 2
    build(dozen, out, "--sync")
    assert hashes(out) == hashes(reference)


def test_sources_may_move_between_two_runs(dozen, reference, tmp_path):
    out = tmp_path / "set"
    shutil.copytree(reference, out)
    (out / "train" / "mini_k400-train-000001.tar").unlink()
    moved = type(dozen)(shutil.copytree(dozen.folder, tmp_path / "moved"))
    build(moved, out, "--sync")
    assert hashes(out) == hashes(reference)
    assert dict(explain(out, "video7_000000_000010")[0])["found as"].startswith(str(tmp_path / "moved"))


def test_limit_takes_some_videos_of_each_split(dozen, tmp_path):
    build(dozen, tmp_path / "set", "--sync", "--limit", 2)
    manifest = read_manifest(tmp_path / "set")
    assert manifest.limit == 2
    assert {split: total.annotated for split, total in manifest.totals.items()} == {
        "train": 2,
        "validation": 2,
    }


# --- refusals -----------------------------------------------------------------------------------------------
