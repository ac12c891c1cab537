"""Sets on different stores: one in a bucket of moto's server, one on the disk."""

import fsspec
import pytest

import vidprep
from tests.helpers.paths import RELEASE_0_1
from tests.helpers.stores.bucket import WARNINGS, s3_store

pytestmark = WARNINGS
LOCAL = RELEASE_0_1 / "shards"


@pytest.fixture
def remote(monkeypatch):
    """The set of the last release in a bucket."""
    with s3_store(monkeypatch, "sets") as filesystem:
        filesystem.put(str(LOCAL), "sets/motion", recursive=True)
        yield "s3://sets/motion"


def test_sets_on_different_stores_are_compared_and_copied(remote, tmp_path):
    found = vidprep.compare(remote, LOCAL)
    assert found.is_same and (found.first, found.second) == (remote, str(LOCAL))
    filesystem = fsspec.filesystem("s3", skip_instance_cache=True)
    vidprep.passport(LOCAL, tmp_path / "p.parquet")
    filesystem.put(str(tmp_path / "p.parquet"), "sets/motion/passport.parquet")
    assert vidprep.compare(remote, tmp_path / "p.parquet").rows["differing_bits"].max() == 0
    there = vidprep.subset(remote, tmp_path / "there", limit=4)
    assert there.manifest.shards == vidprep.subset(LOCAL, tmp_path / "here", limit=4).manifest.shards
    assert there.manifest.totals["train"].used == 3  # one was rejected
