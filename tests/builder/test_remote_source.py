"""Source folders that are not local: videos are fetched one by one."""

import fsspec
import pytest

from vidprep.builder.engine import build_in_process
from vidprep.builder.run import BuildRequest, build_shard_set
from vidprep.errors import SourceError
from vidprep.recipes.pipelines import read_pipeline
from vidprep.shards.checks import find_problems as verify


@pytest.fixture
def bucket():
    """An in-memory file system; empty before and after."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()


def request(raw, tmp_path):
    recipe = read_pipeline("mini_k400", ["transcode.short_side=48"])
    return BuildRequest(recipe, ["memory://raw"], [str(raw.csv)], tmp_path / "set")


def run(what):
    return build_shard_set(what, build_in_process, print)


def test_remote_videos_give_the_same_shards_as_local_ones(raw, tmp_path, bucket):
    for name in ("one", "two"):
        bucket.pipe(f"/raw/train/yoga/{name}_000000_000010.mp4", raw.add(name).read_bytes())
    remote = run(request(raw, tmp_path))
    assert [problem for found in verify(tmp_path / "set") for problem in found] == []
    local = request(raw, tmp_path / "local")
    local = run(BuildRequest(local.recipe, [str(raw.folder)], [], local.out_dir))
    assert [shard.sha256 for shard in remote.shards] == [shard.sha256 for shard in local.shards]


def test_a_remote_video_that_vanishes(raw, tmp_path, bucket):
    raw.add("one")
    path = "/raw/train/yoga/one_000000_000010.mp4"
    bucket.pipe(path, b"12345")
    what = request(raw, tmp_path)

    def vanish(tasks, report):
        bucket.rm(path)
        build_in_process(tasks, report)

    with pytest.raises(SourceError, match=r"train-one_000000_000010: .*cannot be read now"):
        build_shard_set(what, vanish, print)
