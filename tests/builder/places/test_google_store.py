"""A build into Google Cloud Storage, by its protocol: the bytes of a local build, read from there."""

from datetime import UTC, datetime, timedelta

import pytest

import vidprep
from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.raw_k400 import run_build
from tests.helpers.stores.store_builds import files, lease, objects

pytestmark = pytest.mark.slow

URL = "gs://bucket/sets/k400"


@pytest.fixture
def google(monkeypatch):
    """An empty bucket: `gs://bucket`."""
    from tests.helpers.stores.google import google_store  # skips the test where it is not installed

    with google_store(monkeypatch, "bucket") as filesystem:
        yield filesystem


def test_the_bytes_are_those_of_a_local_build(dozen, reference, google, tmp_path):
    done = run_build(dozen, URL, "--sync")
    assert done.returncode == 0, done.stdout + done.stderr
    assert objects(google, URL) == files(reference)
    assert "13 of 13 done" in run_here("status", URL).stdout
    assert "all as the manifest says" in run_here("verify", URL, "--workers", 1).stdout
    ours, theirs = (vidprep.ShardSet.open(root) for root in (URL, reference))
    assert ours.fingerprint == theirs.fingerprint
    pulled = run_here("pull", URL, tmp_path / "pulled")
    assert pulled.returncode == 0 and files(tmp_path / "pulled") == files(reference), pulled.stderr


def test_a_second_build_is_refused_until_the_lease_of_the_first_expires(dozen, reference, google):
    google.pipe_file("bucket/sets/k400/.build/lease/000003.json", lease())
    refused = run_build(dozen, URL, "--sync")
    assert refused.returncode == 1 and "(process 42 on node7, since" in " ".join(refused.stderr.split())
    late = lease(expires=datetime.now(UTC) - timedelta(seconds=1))
    google.pipe_file("bucket/sets/k400/.build/lease/000003.json", late)
    done = run_build(dozen, URL, "--sync")
    assert done.returncode == 0 and objects(google, URL) == files(reference), done.stderr
