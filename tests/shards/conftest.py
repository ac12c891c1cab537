"""A finished shard set to spoil."""

import shutil

import pytest

from tests.helpers.raw_videos.raw_k400 import Raw, run_build


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Five videos to train in shards of two, one to validate, one missing; do not change it."""
    raw = Raw(tmp_path_factory.mktemp("finished") / "raw")
    for number in range(5):
        raw.add(f"video{number}")
    raw.add("held_out", split="val")
    raw.add("gone", write=False)
    out = raw.folder.parent / "set"
    done = run_build(raw, out, "--sync", "--set", "shards.samples_per_shard=2")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def shard_set(finished, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(finished, tmp_path / "set")
