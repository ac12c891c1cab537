"""Shard sets to a real S3 protocol and back: only what differs, checked, the manifest last."""

import hashlib
import shutil

import pytest

import vidprep
from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.raw_k400 import CLASSES, Raw
from tests.helpers.sets.builds import build
from tests.helpers.stores.bucket import WARNINGS
from vidprep.errors import ShardError
from vidprep.shards.transfer import store as store_module
from vidprep.shards.transfer.push import files_of

pytestmark = WARNINGS


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """A set of three shards; do not change it."""
    raw = Raw(tmp_path_factory.mktemp("raw"))
    for number in range(8):
        raw.add(f"video{number}", label=CLASSES[number % 3])
    raw.add("held_out", split="val")
    out = tmp_path_factory.mktemp("built") / "set"
    build(raw, out, "--sync")
    return out


@pytest.fixture
def own(shards, tmp_path):
    """A copy of the set that may be changed."""
    return shutil.copytree(shards, tmp_path / "own")


def content(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files_of(folder)}


def test_there_and_back_are_the_same_bytes(shards, bucket, tmp_path):
    said = run_here("push", shards, "s3://bucket/k400")
    assert said.returncode == 0, said.stderr
    assert f"{len(files_of(shards))} files copied" in said.stdout
    said = run_here("pull", "s3://bucket/k400", tmp_path / "copy")
    assert said.returncode == 0, said.stderr
    assert content(tmp_path / "copy") == content(shards)
    assert run_here("verify", tmp_path / "copy").returncode == 0
    assert vidprep.ShardSet.open("s3://bucket/k400").fingerprint == vidprep.ShardSet.open(shards).fingerprint


def test_what_is_there_is_not_copied_again(shards, bucket, tmp_path):
    vidprep.push(shards, "s3://bucket/k400")
    assert vidprep.push(shards, "s3://bucket/k400").num_copied == 0
    bucket.pipe_file("bucket/k400/train/mini_k400-train-000001.tar", b"x")
    assert vidprep.push(shards, "s3://bucket/k400").num_copied == 1
    vidprep.pull("s3://bucket/k400", tmp_path / "copy")
    (tmp_path / "copy" / "train" / "mini_k400-train-000000.tar").unlink()
    damaged = tmp_path / "copy" / "index.parquet"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    assert vidprep.pull("s3://bucket/k400", tmp_path / "copy").num_copied == 2
    assert content(tmp_path / "copy") == content(shards)


def test_the_manifest_comes_last(shards, bucket, monkeypatch):
    """A push that is killed leaves what no reader takes for a set; the same call goes on."""
    whole, num_done = store_module.Store.put, 0

    def put(self, path, name):
        nonlocal num_done
        num_done += 1
        if num_done == 4:
            raise KeyboardInterrupt
        return whole(self, path, name)

    with monkeypatch.context() as patch:
        patch.setattr(store_module.Store, "put", put)
        with pytest.raises(KeyboardInterrupt):
            vidprep.push(shards, "s3://bucket/k400")
    assert not bucket.exists("bucket/k400/manifest.json")
    with pytest.raises(ShardError):
        vidprep.ShardSet.open("s3://bucket/k400")
    done = vidprep.push(shards, "s3://bucket/k400")
    assert (done.num_kept, done.is_create_only) == (3, True)


def test_a_large_file_goes_in_parts_and_a_failed_upload_leaves_none(shards, bucket, monkeypatch):
    monkeypatch.setattr(store_module, "PART_BYTES", 5 << 20)
    large = shards.parent / "large"
    large.write_bytes(bytes(range(256)) * (12 << 12))
    store = store_module.Store("s3://bucket/parts")
    assert store.put(large, "large") == store.digests("large")
    with monkeypatch.context() as patch:
        parts = list(store_module.parts_of(large))

        def broken(path):
            yield from parts[:2]
            raise RuntimeError("the disk is gone")

        patch.setattr(store_module, "parts_of", broken)
        patch.setattr(store_module, "_BACKOFF_SECONDS", 0.0)
        with pytest.raises(ShardError, match="the disk is gone"):
            store.put(large, "other")
    assert not bucket.exists("bucket/parts/other")
    assert "Uploads" not in bucket.call_s3("list_multipart_uploads", Bucket="bucket")


def test_another_set_is_not_overwritten(shards, own, bucket):
    vidprep.push(shards, "s3://bucket/k400")
    manifest = own / "manifest.json"
    tar = own / "train" / "mini_k400-train-000000.tar"
    old = hashlib.sha256(tar.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(old, "0" * 64))
    with pytest.raises(ShardError, match=r"holds another shard set \(mini_k400, generation 1\)"):
        vidprep.push(own, "s3://bucket/k400")
    with pytest.raises(ShardError, match=r"train-000000\.tar has sha256 .* the manifest says 000000000000"):
        vidprep.push(own, "s3://bucket/elsewhere")
    assert not bucket.exists("bucket/elsewhere/manifest.json")


def test_two_pushes_at_once_make_one_set(shards, bucket, monkeypatch):
    """The second to write the manifest is told; the store itself makes sure (If-None-Match)."""
    put = store_module.Store.put

    def put_beside_another(self, path, name):
        bucket.pipe_file("bucket/k400/manifest.json", b"somebody else's")
        return put(self, path, name)

    monkeypatch.setattr(store_module.Store, "put", put_beside_another)
    with pytest.raises(ShardError, match="somebody has put a shard set there meanwhile"):
        vidprep.push(shards, "s3://bucket/k400")
    assert bucket.cat_file("bucket/k400/manifest.json") == b"somebody else's"


def test_damage_in_the_store_is_found(shards, bucket, tmp_path):
    vidprep.push(shards, "s3://bucket/k400")
    path = "bucket/k400/train/mini_k400-train-000000.tar"
    data = bytearray(bucket.cat_file(path))
    data[700] ^= 1
    bucket.pipe_file(path, bytes(data))
    with pytest.raises(ShardError, match=r"train-000000\.tar has sha256 .*, the manifest says"):
        vidprep.pull("s3://bucket/k400", tmp_path / "copy")
    assert not (tmp_path / "copy" / "manifest.json").exists()
    bucket.rm_file(path)
    with pytest.raises(ShardError, match=r"train-000000\.tar is missing, which the manifest names"):
        vidprep.pull("s3://bucket/k400", tmp_path / "copy")


def test_folders_with_other_things_are_left_alone(shards, bucket, tmp_path):
    vidprep.push(shards, "s3://bucket/k400")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "thesis.tex").write_text("")
    refused = run_here("pull", "s3://bucket/k400", tmp_path / "copy")
    assert refused.returncode == 1
    assert "holds something else ('thesis.tex')" in refused.stderr
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["push", "nowhere", "s3://bucket/x"], "nowhere"),
        (
            ["pull", "s3://bucket/nothing", "copy"],
            "No shard set at s3://bucket/nothing: manifest.json is",
        ),
        (["pull", "gopher://bucket/k400", "copy"], "gopher://bucket/k400 cannot be opened"),
        (["pull", "s3://no-such-bucket/k400", "copy"], "No shard set at s3://no-such-bucket/k400"),
    ],
)
def test_bad_input_is_named(bucket, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = run_here(*words)
    assert done.returncode in (1, 2)
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "copy").exists()


def test_a_bucket_that_does_not_exist_is_named(shards, bucket, monkeypatch):
    monkeypatch.setattr(store_module, "_BACKOFF_SECONDS", 0.0)
    with pytest.raises(ShardError, match=r"s3://no-such-bucket/k400/\S+ cannot be written"):
        vidprep.push(shards, "s3://no-such-bucket/k400")


def test_a_full_disk_is_said(shards, bucket, tmp_path, monkeypatch):
    vidprep.push(shards, "s3://bucket/k400")

    def full(self, name, path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(store_module.Store, "fetch", full)
    with pytest.raises(ShardError, match=r"No room left on the disk for .*run the same command again"):
        vidprep.pull("s3://bucket/k400", tmp_path / "copy")


def test_passing_failures_are_tried_again(shards, bucket, monkeypatch):
    monkeypatch.setattr(store_module, "_BACKOFF_SECONDS", 0.0)
    failures = iter([OSError("SlowDown"), ConnectionResetError("reset"), None, None, None])
    opened = store_module.digest_parts

    def flaky(parts, write=lambda data: None):
        if failure := next(failures, None):
            raise failure
        return opened(parts, write)

    store = store_module.Store("s3://bucket/k400")
    monkeypatch.setattr(store_module, "digest_parts", flaky)
    store.put(shards / "index.parquet", "index.parquet")
    assert bucket.cat_file("bucket/k400/index.parquet") == (shards / "index.parquet").read_bytes()
