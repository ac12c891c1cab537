"""Tiny shards, made once for all tests of the harness."""

from pathlib import Path

import pytest

from tests.helpers.tiny import write_tiny_shards


@pytest.fixture(scope="session")
def tiny_shards(tmp_path_factory) -> Path:
    """24 training videos of 4 classes and 7 for validation, 64x64; never changed by a test."""
    return write_tiny_shards(tmp_path_factory.mktemp("tiny") / "tiny", tmp_path_factory.mktemp("work"))
