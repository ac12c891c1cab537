"""A dataset of Kinetics' size: 241,000 records, as many files, some faults."""

import fsspec
import pytest

from tests.helpers.raw_videos.small_datasets import k400, k400_list, k400_row
from vidprep.datasets.audit_counts import audit_splits
from vidprep.recipes.manifests import read_dataset

NUM_VIDEOS = 241_000


@pytest.fixture
def store():
    """A source in memory: so many files on a disk take minutes to delete again."""
    filesystem = fsspec.filesystem("memory")
    numbers = range(10, NUM_VIDEOS)  # the first ten are missing, every thousandth is empty
    filesystem.pipe(
        {f"/scale/train/-id_{n:07d}_000001_000011.mp4": b"" if n % 1000 == 999 else b"v" for n in numbers}
    )
    yield "memory://scale"
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


@pytest.mark.slow
def test_an_inventory_of_241_000_videos(tmp_path, store):
    classes = read_dataset("k400").labels.classes
    rows = [k400_row(classes[n % 400], f"-id_{n:07d}", "train") for n in range(NUM_VIDEOS)]
    inventory = k400([store], [k400_list(tmp_path / "train.csv", *rows, *rows[:100])])
    train = audit_splits(inventory)[0]
    assert (train.annotated, train.present, train.missing) == (NUM_VIDEOS + 100, NUM_VIDEOS - 251, 10)
    assert train.reasons == {"duplicate_row": 100, "zero_bytes": 241}
    assert inventory.extra == {}
