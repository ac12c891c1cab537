"""A shard set of numbered videos, made once for all loader tests."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.sets.numbered import (
    NUM_TRAIN,
    NUM_VALIDATION,
    SIZES,
    encode,
    num_frames_of,
    sample,
    write_shard_set,
)
from vidprep.shards.tar import Sample


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> list[Sample]:
    path = tmp_path_factory.mktemp("encode")
    made = []
    for video in range(NUM_TRAIN + NUM_VALIDATION):
        split = "train" if video < NUM_TRAIN else "validation"
        width, height = SIZES[video % 3]
        data = encode(num_frames_of(video), video, width=width, height=height, path=path)
        made.append(sample(split, f"v{video}", video % 4, data, num_frames_of(video), width, height))
    return made


@pytest.fixture(scope="session")
def shards(samples, tmp_path_factory) -> Path:
    """26 training videos in shards of 6 and 7 for validation; never changed by a test."""
    return write_shard_set(tmp_path_factory.mktemp("shards") / "numbered", samples, per_shard=6)


@pytest.fixture
def own_shards(shards, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(shards, tmp_path / "numbered"))
