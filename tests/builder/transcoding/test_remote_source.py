"""Source folders that are not local: videos are fetched one by one."""

import pytest

import vidprep
from vidprep.errors import SourceError
from vidprep.shards.checks import find_problems as verify


def build(raw, out, *, source="memory://raw", on_event=lambda event: None):
    result = vidprep.build(
        "mini_k400",
        out,
        sources=[source],
        annotations=[raw.csv],
        overrides=["transcode.short_side=48"],
        in_process=True,
        on_event=on_event,
    )
    return result.manifest


def test_remote_videos_give_the_same_shards_as_local_ones(raw, tmp_path, memory_store):
    for name in ("one", "two"):
        memory_store.pipe(f"/raw/train/yoga/{name}_000000_000010.mp4", raw.add(name).read_bytes())
    remote = build(raw, tmp_path / "set")
    assert [problem for found in verify(tmp_path / "set") for problem in found] == []
    local = build(raw, tmp_path / "local", source=raw.folder)
    assert [shard.sha256 for shard in remote.shards] == [shard.sha256 for shard in local.shards]


def test_a_remote_video_that_vanishes(raw, tmp_path, memory_store):
    raw.add("one")
    path = "/raw/train/yoga/one_000000_000010.mp4"
    memory_store.pipe(path, b"12345")

    def vanish(event):
        if event["event"] == "planned":
            memory_store.rm(path)

    with pytest.raises(SourceError, match=r"train-one_000000_000010: .*cannot be read now"):
        build(raw, tmp_path / "set", on_event=vanish)
