"""Shards and a network, made once for all tests of evaluations."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.runs.small_evaluation import (
    VIEWS,
    many_samples,
    run_evaluation,
    small_samples,
    write_network,
    write_set,
)


@pytest.fixture(scope="package")
def samples(tmp_path_factory) -> list:
    return small_samples(tmp_path_factory.mktemp("encode"))


@pytest.fixture(scope="package")
def shards(samples, tmp_path_factory) -> Path:
    """7 validation videos in two shards; never changed by a test."""
    return write_set(tmp_path_factory.mktemp("shards") / "small", samples)


@pytest.fixture
def own_shards(shards, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(shards, tmp_path / "small"))


@pytest.fixture(scope="package")
def network(shards, tmp_path_factory) -> Path:
    return write_network(tmp_path_factory.mktemp("network") / "epoch-0003.pt", shards, VIEWS)


@pytest.fixture(scope="package")
def evaluated(shards, network, tmp_path_factory) -> Path:
    """The results of one process; never changed by a test."""
    out_dir = tmp_path_factory.mktemp("evaluated")
    run_evaluation(network, shards, out_dir)
    return out_dir


@pytest.fixture(scope="package")
def many_shards(tmp_path_factory) -> Path:
    """200 videos: several parts of an evaluation."""
    samples = many_samples(tmp_path_factory.mktemp("encode"), 200)
    return write_set(tmp_path_factory.mktemp("shards") / "many", samples, per_shard=100)
