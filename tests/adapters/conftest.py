"""The small shard set that is kept among the tests."""

import pytest

from tests.helpers.paths import RELEASE_0_1


@pytest.fixture
def shards():
    """15 videos to train and 6 to validate, 36 pixels high; not to be changed."""
    return RELEASE_0_1 / "shards"
