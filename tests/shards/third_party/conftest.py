"""Real tars as other people's programs leave them: made once, copied by tests that change them."""

import io
import json
import tarfile

import pytest
import webdataset

from tests.helpers.sets.numbered import encode, num_frames_of

NUM_VIDEOS = 6


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Bytes, label and frames of each."""
    path = tmp_path_factory.mktemp("videos")
    made = [encode(num_frames_of(n), n, width=64, height=64, path=path) for n in range(NUM_VIDEOS)]
    return [(data, n % 3, num_frames_of(n)) for n, data in enumerate(made)]


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def shard_writer(folder, videos):
    """webdataset's ShardWriter, a folder for each split; labels are names."""
    for split, part in (("train", videos[:4]), ("val", videos[4:])):
        (folder / split).mkdir(parents=True)
        with webdataset.ShardWriter(f"{folder}/{split}/%06d.tar", maxcount=3, verbose=0) as writer:
            for number, (video, label, _) in enumerate(part):
                facts = {"label": f"class {label}", "more": [1, None]}
                writer.write({"__key__": f"{split}{number:04d}", "mp4": video, "json": facts})


def video2dataset(folder, videos):
    """Numbered keys with caption and facts, tables and statistics beside the tars; a label in the facts."""
    folder.mkdir(parents=True)
    for shard in range(2):
        (folder / f"{shard:05d}_stats.json").write_text("{}")
        (folder / f"{shard:05d}.parquet").write_bytes(b"PAR1")
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as tar:
            for number, (video, label, _) in list(enumerate(videos))[shard * 3 : shard * 3 + 3]:
                facts = {"key": f"{number:09d}", "status": "success", "label": label, "url": None}
                add(tar, f"{number:09d}.json", json.dumps(facts).encode())
                add(tar, f"{number:09d}.mp4", video)
                add(tar, f"{number:09d}.txt", b"a caption, with a class nowhere")


def energon(folder, videos):
    """Tars whose names tell nothing, with the folder that `energon prepare` makes; one is left out."""
    (folder / ".nv-meta").mkdir(parents=True)
    parts = "\n  train:\n  - shard_{000..001}.tar\n  val:\n  - shard_002.tar\n  test: []\n"
    (folder / ".nv-meta/split.yaml").write_text(f"exclude: []\nsplit_parts:{parts}")
    for shard in range(4):
        (folder / f"shard_{shard:03d}.tar.idx").write_bytes(bytes(16))
        with tarfile.open(folder / f"shard_{shard:03d}.tar", "w") as tar:
            for number, (video, label, _) in list(enumerate(videos * 2))[shard * 2 : shard * 2 + 2]:
                add(tar, f"s{number}.cls", f"{label}\n".encode())
                add(tar, f"s{number}.mp4", video)


def huggingface(folder, videos):
    """A repository of the Hub: all tars in data/, the split in their names."""
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nconfigs: []\n---\n")
    parts = {
        "train-00000-of-00002": videos[:2],
        "train-00001-of-00002": videos[2:4],
        "test-00000-of-00001": videos[4:],
    }
    for name, part in parts.items():
        with tarfile.open(folder / f"data/{name}.tar", "w") as tar:
            for number, (video, label, _) in enumerate(part):
                add(tar, f"{number}.mp4", video)
                add(tar, f"{number}.json", json.dumps({"label": label}).encode())


WRITERS = {
    "shard_writer": (shard_writer, {"train": 4, "val": 2}),
    "video2dataset": (video2dataset, {"train": 6}),
    "energon": (energon, {"train": 4, "validation": 2}),
    "huggingface": (huggingface, {"test": 2, "train": 4}),
}


@pytest.fixture(scope="session")
def written(videos, tmp_path_factory):
    """A folder by each writer; never changed by a test."""
    folders = {}
    for name, (write, _) in WRITERS.items():
        folders[name] = tmp_path_factory.mktemp("written") / name
        write(folders[name], videos)
    return folders
