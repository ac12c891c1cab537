"""Hugging Face `datasets` opens a set by its folder; `make conformance` does so with sets that are nasty."""

import shutil

import pytest

from tests.helpers.paths import RELEASE_0_1
from vidprep.shards.exports import class_names, export_huggingface
from vidprep.shards.index import read_index


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # theirs
def test_load_dataset_finds_both_splits_and_the_names_of_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import datasets
    import tqdm

    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)  # its thread would outlive the test
    root = shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "set")
    export_huggingface(root)
    found = datasets.load_dataset(str(root), cache_dir=str(tmp_path / "cache"))
    rows = read_index(root).to_pylist()
    assert set(found) == {"train", "validation"}
    for split, dataset in found.items():
        stored = [row for row in rows if row["split"] == split]
        assert dataset.features["cls"].names == class_names(root)
        plain = dataset.cast_column("mp4", datasets.Video(decode=False))
        assert [sample["__key__"] for sample in plain] == [row["key"] for row in stored]
        assert [dataset.features["cls"].int2str(sample["cls"]) for sample in plain] == [
            row["class"] for row in stored
        ]
        assert [len(sample["mp4"]["bytes"]) for sample in plain] == [row["mp4_size"] for row in stored]
