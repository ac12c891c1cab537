"""The raw files of a build: what a list says they are, what the ledger says, and what takes their place."""

import hashlib
import os
import signal

import psutil
import pytest

import vidprep
from tests.helpers.raw_videos.raw_k400 import run_build
from tests.helpers.sets.builds import build, hashes, outcomes, start_build, wait_until
from vidprep.builder.transcoding.source import read_source
from vidprep.errors import SourceError
from vidprep.shards.ledger import read_ledger


def sums_of(paths, algorithm="sha256"):
    return "".join(
        f"{hashlib.new(algorithm, path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths
    )


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"mdat") + 60] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_video_that_differs_from_its_checksum_is_rejected(raw, tmp_path, algorithm):
    paths = [raw.add(f"video{number}") for number in range(3)]
    sums = tmp_path / "sums"
    sums.write_text(sums_of(paths[:2], algorithm))
    flip_a_bit(paths[1])
    said = build(raw, tmp_path / "set", "--sync", "--checksums", sums)
    assert "1 videos are in no list of checksums, unchecked" in said
    rows = {row["video_id"][:6]: row for row in read_ledger(tmp_path / "set").to_pylist()}
    assert [row["reason"] for row in rows.values()] == ["", "wrong_checksum", ""]
    assert f"{algorithm} is " in rows["video1"]["detail"] and "the list says" in rows["video1"]["detail"]


def test_the_ledger_knows_the_bytes_of_every_source_that_was_read(raw, tmp_path):
    good, broken = raw.add("good"), raw.add("broken")
    broken.write_bytes(b"no video at all")
    raw.add("missing", write=False)
    build(raw, tmp_path / "set", "--sync")
    known = {
        row["video_id"].split("_")[0]: row["source_sha256"]
        for row in read_ledger(tmp_path / "set").to_pylist()
    }
    digests = {
        path.name.split("_")[0]: hashlib.sha256(path.read_bytes()).hexdigest() for path in (good, broken)
    }
    assert known == digests | {"missing": ""}


def test_checksums_do_not_change_the_shards_and_workers_do_not_change_the_ledger(dozen, reference, tmp_path):
    sums = tmp_path / "sums"
    sums.write_text(sums_of(sorted(dozen.folder.rglob("*.mp4"))))
    build(dozen, tmp_path / "set", "--workers", 2, "--checksums", sums)
    build(dozen, tmp_path / "again", "--sync", "--checksums", sums)
    assert hashes(tmp_path / "set") == hashes(tmp_path / "again")
    plain = {name: digest for name, digest in hashes(reference).items() if name != "manifest.json"}
    assert plain.items() <= hashes(tmp_path / "set").items(), "the same tars, index and ledger"


def test_a_build_goes_on_with_the_same_checksums_only(raw, tmp_path):
    path = raw.add("one")
    build(raw, tmp_path / "set", "--sync")
    (tmp_path / "sums").write_text(sums_of([path]))
    done = run_build(raw, tmp_path / "set", "--sync", "--checksums", tmp_path / "sums")
    assert done.returncode == 1 and "holds the build of another plan" in done.stderr


def plan_row(path):
    return {
        "key": "train-a",
        "source_dir": str(path.parent),
        "source": path.name,
        "source_bytes": path.stat().st_size,
    }


def test_a_source_that_becomes_a_fifo_is_an_error_at_once(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    row = plan_row(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceError, match=r"train-a: .*a.mp4 was there when .* it is not a regular file"):
        read_source(row, tmp_path, tmp_path)


def test_a_source_that_is_replaced_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    source = read_source(plan_row(path), tmp_path, tmp_path)
    source.check_unchanged()
    (tmp_path / "b").write_bytes(b"other")
    (tmp_path / "b").replace(path)
    with pytest.raises(SourceError, match="was changed or replaced while it was read"):
        source.check_unchanged()
    with pytest.raises(SourceError, match="has other bytes than a moment ago"):
        source.read_again()


def test_a_source_that_becomes_a_fifo_under_ffmpeg_rejects_nothing(raw, tmp_path, misbehaving_ffmpeg):
    path = raw.add("one")
    swap = misbehaving_ffmpeg("one_", f'rm -f "{path}"; mkfifo "{path}"')
    done = run_build(
        raw, tmp_path / "set", "--sync", "--ffmpeg", swap, "--set", "transcode.timeout_seconds=4"
    )
    assert done.returncode == 1
    assert "was changed or replaced while it was read" in done.stderr


def test_a_link_to_itself_costs_one_video(raw, tmp_path):
    raw.add("good")
    path = raw.add("looping", write=False)
    path.symlink_to(path.name)
    (raw.folder / "train/loop").symlink_to("loop")
    build(raw, tmp_path / "set", "--sync")
    assert {status for status, _ in outcomes(tmp_path / "set").values()} == {"used", "missing"}
    assert vidprep.audit("mini_k400", sources=[raw.folder]) is not None


def test_a_killed_worker_leaves_no_folder_behind(dozen, tmp_path, misbehaving_ffmpeg, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    slow = misbehaving_ffmpeg("mp4", "sleep 0.3")
    building = start_build(dozen, tmp_path / "set", "--workers", 1, "--ffmpeg", slow)
    wait_until(lambda: list(scratch.glob("vidprep-*-*/video.mp4")))
    pid = int(next(scratch.glob("vidprep-*-*/video.mp4")).parent.name.split("-")[1])
    psutil.Process(pid).send_signal(signal.SIGKILL)
    said, _ = building.communicate(timeout=240)
    assert building.returncode == 0, said
    assert list(scratch.glob("vidprep-*-*")) == []
