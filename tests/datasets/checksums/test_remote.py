"""`vidprep audit --checksums` on videos in a bucket."""

import hashlib

import pytest

import vidprep
from tests.helpers.programs.program import run_here
from tests.helpers.stores.bucket import WARNINGS, s3_store
from vidprep.datasets.archives.listing import ArchiveOptions
from vidprep.datasets.checksums.check import check_checksums

pytestmark = WARNINGS
FOLDER = "raw/train/yoga"


@pytest.fixture
def store(raw, monkeypatch):
    """The raw videos in a bucket."""
    with s3_store(monkeypatch, "raw") as store:
        for path in raw.folder.glob("train/*/*.mp4"):
            store.pipe(f"{FOLDER}/{path.name}", path.read_bytes())
        yield store


@pytest.fixture
def sums(raw, tmp_path):
    path = tmp_path / "sums"
    videos = sorted(raw.folder.glob("train/*/*.mp4"))
    path.write_text("".join(f"{hashlib.sha256(v.read_bytes()).hexdigest()}  {v.name}\n" for v in videos))
    return path


def test_videos_in_a_bucket_are_compared(raw, store, sums):
    words = ["audit", "mini_k400", "--source", "s3://raw", "--annotations", raw.csv, "--checksums", sums]
    said = run_here(*words)
    assert said.returncode == 0, said.stderr
    assert "checksums: 3 videos compared, all as the lists say" in said.stdout
    name = f"{FOLDER}/video1_000000_000010.mp4"
    data = bytearray(store.cat(name))
    data[100] ^= 1
    store.pipe(name, bytes(data))
    said = run_here(*words)
    assert said.returncode == 1 and "3 videos compared, 1 differ" in said.stdout
    found = hashlib.sha256(data).hexdigest()
    assert f"wrong checksum: s3://{name}: sha256 is {found}" in said.stdout


def test_a_video_that_is_gone_or_whose_store_fails_is_named(raw, store, sums):
    inventory = vidprep.audit("mini_k400", sources=["s3://raw"], annotations=[raw.csv]).inventory
    name = f"{FOLDER}/video2_000000_000010.mp4"
    store.rm(name)
    store.invalidate_cache()
    checked = check_checksums(inventory, [sums], archives=ArchiveOptions())
    (mismatch,) = checked.mismatches
    assert str(mismatch).startswith(f"s3://{name}: cannot be read: ")
    assert checked.num_checked == 3
