"""A disk of this machine for scratch, and a proxy before the bucket to build into."""

import os

import pytest

from tests.helpers.stores.fault_proxy import behind_proxy
from vidprep.shards.transfer import store as store_module


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """A scratch disk; empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def proxy(bucket, monkeypatch):
    """A proxy between this process and the bucket; `bucket` itself goes past it."""
    monkeypatch.setattr(store_module, "_BACKOFF_SECONDS", 0.05)
    with behind_proxy(monkeypatch, os.environ["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy
