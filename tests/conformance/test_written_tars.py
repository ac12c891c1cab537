"""In the other direction: tars of webdataset's ShardWriter and of video2dataset are indexed and loaded."""

import io
import json
import tarfile

import pytest

from tests.conformance.conftest import CLIP, needs, rows_of
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import LocalReader, read_video
from vidprep.shards.third_party.indexing import index_tars

INLINE = LoaderOptions(num_workers=0)


@pytest.fixture
def videos(shards):
    """Bytes, label and frames of each training video."""
    split, reader = ShardSet.open(shards).split("train"), LocalReader(str(shards))
    return [
        (read_video(reader, split.video(row)), int(split.labels[row]), split.video(row).num_frames)
        for row in range(len(split))
    ]


def write_with_shard_writer(folder, videos):
    needs("webdataset")
    import webdataset

    (folder / "train").mkdir()
    with webdataset.ShardWriter(f"{folder}/train/%06d.tar", maxcount=5, verbose=0) as writer:
        for number, (video, label, _) in enumerate(videos):
            writer.write({"__key__": f"{number:08d}", "mp4": video, "cls": label, "txt": "words"})


def write_like_video2dataset(folder, videos):
    """Key by number, caption as txt, facts as json with `label` among them, all in one folder."""
    for start in range(0, len(videos), 5):
        with tarfile.open(folder / f"{start // 5:05d}.tar", "w") as tar:
            for number, (video, label, _) in enumerate(videos[start : start + 5], start):
                facts = {"key": f"{number:09d}", "status": "success", "label": label, "url": None}
                members = {"json": json.dumps(facts).encode(), "mp4": video, "txt": b"a caption"}
                for kind, data in members.items():
                    info = tarfile.TarInfo(f"{number:09d}.{kind}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("write", [write_with_shard_writer, write_like_video2dataset])
def test_tars_of_other_writers(videos, tmp_path, write):
    write(tmp_path, videos)
    assert not index_tars(tmp_path, num_workers=0).left_out
    rows = list(rows_of(tmp_path, "train").values())
    assert [(row["label"], row["num_frames"]) for row in rows] == [video[1:] for video in videos]
    loader = ClipLoader(tmp_path, clip=CLIP, batch_size=4, drop_last=False, options=INLINE)
    keys = [key for batch in loader for key in batch.key]
    assert sorted(keys) == sorted(row["key"] for row in rows)
