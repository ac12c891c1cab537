"""Buckets of moto's S3 server on this machine."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest

moto_server = pytest.importorskip("moto.server", reason="moto is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed")

# Warnings of moto and of the packages that it uses.
WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@contextmanager
def s3_store(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[fsspec.AbstractFileSystem]:
    """Give a file system with an empty bucket, to which `s3://BUCKET` leads as well."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        urllib.request.urlopen(
            f"{url}/moto-api/reset", data=b""
        ).close()  # what it holds lives on in the process
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # of servers that tests before had
        filesystem = fsspec.filesystem("s3", skip_instance_cache=True)
        filesystem.mkdir(bucket)
        yield filesystem
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # nobody after this knows the address
        server.stop()
