"""What all tests of the harness share: tiny shards that are made once, and a single thread for PyTorch."""

from pathlib import Path

import pytest
import torch

from tests.helpers.runs.tiny import write_tiny_shards


@pytest.fixture(scope="session")
def tiny_shards(tmp_path_factory) -> Path:
    """24 training videos of 4 classes and 7 for validation, 64x64; never changed by a test."""
    return write_tiny_shards(tmp_path_factory.mktemp("tiny") / "tiny", tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Two threads would wait for each other on a busy machine, and the networks are small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
