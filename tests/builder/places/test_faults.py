"""A store that fails while it is built into, as stores do: nothing is lost, and people are told why."""

import re
import tracemalloc
import zipfile

import pytest

from tests.helpers.raw_videos.raw_k400 import run_build
from tests.helpers.stores.bucket import WARNINGS
from tests.helpers.stores.store_builds import URL, files, kept, objects
from vidprep.errors import ShardError
from vidprep.shards.transfer import store as store_module

pytestmark = WARNINGS


def build(raw, *options):
    done = run_build(raw, URL, "--sync", *options)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
def test_errors_resets_stalls_and_lost_answers_cost_nothing(dozen, reference, bucket, proxy):
    """Every fifth request fails; each kind of failure comes several times."""
    kinds = ("500", "503", "reset", "lost", "stall")
    proxy.stall_seconds = 0.5
    proxy.fault = lambda request: kinds[request.number // 5 % 5] if request.number % 5 == 4 else None
    code, said = build(dozen)
    assert code == 0, said
    assert objects(bucket) == files(reference)
    assert not [name for name in kept(bucket) if re.search("staging|lease", name)]
    assert len(proxy.requests) > 5 * len(kinds)


@pytest.mark.slow
def test_requests_of_a_shard(dozen, bucket, proxy):
    """At most six beside its parts, and the bucket is not listed for it."""
    assert build(dozen, "--set", "shards.samples_per_shard=1")[0] == 0
    assert len([name for name in objects(bucket) if name.endswith(".tar")]) == 13
    of_shards = [one for one in proxy.requests if re.search(r"0000\d\d\.(tar|json)", one.path)]
    of_shards = [one for one in of_shards if "lease" not in one.path]
    assert len(of_shards) <= 6 * 13
    assert len(of_shards) >= 3 * 13
    assert sum("list-type" in one.path for one in proxy.requests) <= 8


@pytest.mark.slow
def test_credentials_that_expire_in_mid_build(dozen, reference, bucket, proxy):
    """The message names object and reason; the next build goes on with what is there."""

    def is_expired(request):
        is_third = re.search(r"staging/000002\.tar", request.path)
        return "expired" if is_third and request.method == "PUT" else None

    proxy.fault = is_expired
    code, said = build(dozen)
    assert code == 1
    assert f"{URL}/.build/staging/000002.tar cannot be written: " in said
    assert "credentials" in said
    assert sum(name.startswith("done/") for name in kept(bucket)) == 2
    assert "manifest.json" not in objects(bucket)
    proxy.fault = lambda request: None
    proxy.requests.clear()
    assert build(dozen)[0] == 0
    assert objects(bucket) == files(reference)
    put = [request.path for request in proxy.requests if request.method == "PUT"]
    assert not [path for path in put if re.search(r"staging/00000[01]\.tar", path)]


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        ("403", "may not do this"),
        ("404", "There is no such bucket"),
        ("301", "another region"),
        ("expired", "credentials"),
    ],
)
def test_a_store_that_lets_nobody_in_is_named_before_anything_is_built(dozen, proxy, fault, hint, scratch):
    proxy.fault = lambda request: fault if request.method == "PUT" else None
    code, said = build(dozen)
    assert code == 1
    assert re.search(rf"{URL}/\S+ cannot be written: ", said)
    assert hint in said
    assert not [request for request in proxy.requests if "staging" in request.path]


@pytest.mark.slow
def test_a_bucket_that_vanishes(dozen, bucket, proxy):
    proxy.fault = lambda request: "404" if "staging/000001" in request.path else None
    code, said = build(dozen)
    assert code == 1
    assert f"{URL}/.build/staging/000001.tar cannot be written: " in said
    assert "no such bucket" in said


def test_a_store_that_only_reads_is_refused_with_the_reason(dozen, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_BACKOFF_SECONDS", 0.0)
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    done = run_build(dozen, f"zip://k400::{tmp_path}/a.zip", "--sync")
    assert done.returncode == 1
    assert "cannot be written: " in " ".join(done.stderr.split())
    assert "write() requires mode" in " ".join(done.stderr.split())


def test_who_is_second_to_create_an_object_is_told(bucket, proxy):
    store = store_module.Store("s3://bucket/sets")
    assert store.put_new("one", b"mine")
    with pytest.raises(FileExistsError):
        store.put_new("one", b"yours")
    # Carried out, its answer lost: the second attempt meets its own object.
    faults = iter(["lost", "lost"])
    proxy.fault = lambda request: next(faults, None) if request.method == "PUT" else None
    assert store.put_new("two", b"mine")
    assert bucket.cat_file("bucket/sets/one") == b"mine"


def test_unfinished_uploads_are_aborted(bucket, proxy):
    bucket.call_s3("create_multipart_upload", Bucket="bucket", Key="sets/k400/a.tar")
    bucket.call_s3("create_multipart_upload", Bucket="bucket", Key="elsewhere/a.tar")
    assert store_module.Store(URL).abort_uploads() == 1
    left = bucket.call_s3("list_multipart_uploads", Bucket="bucket")["Uploads"]
    assert [upload["Key"] for upload in left] == ["elsewhere/a.tar"]


@pytest.mark.slow
def test_memory_of_an_upload_is_bounded(bucket, tmp_path, monkeypatch):
    """Three parts at most, of a file of many; moto, which holds it all, is left out of the count."""
    monkeypatch.setattr(store_module, "PART_BYTES", 5 << 20)
    large = tmp_path / "large"
    large.write_bytes(bytes(60 << 20))
    store = store_module.Store("s3://bucket/parts")
    parts = []
    monkeypatch.setattr(store._filesystem.__class__, "call_s3", counted_parts(parts))
    tracemalloc.start()
    try:
        store.put(large, "large")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(parts) == 12
    assert peak < 5 * (5 << 20)


def counted_parts(parts):
    """Answer in the place of a store, which keeps nothing."""

    def call(self, method, *args, **kwargs):
        if method == "upload_part":
            parts.append(len(kwargs["Body"]))
        return {"UploadId": "1", "ETag": "1", "VersionId": None}

    return call


@pytest.mark.slow
def test_a_deadline_ends_what_always_fails(bucket, proxy, monkeypatch):
    monkeypatch.setattr(store_module, "_DEADLINE_SECONDS", 0.0)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    proxy.fault = lambda request: "503" if request.method == "PUT" else None
    with pytest.raises(ShardError, match=r"s3://bucket/sets/one cannot be written: "):
        store_module.Store("s3://bucket/sets").replace("one", b"x")
