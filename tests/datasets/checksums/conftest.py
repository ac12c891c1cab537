import pytest

from tests.helpers.raw_videos.raw_k400 import Raw


@pytest.fixture
def raw(tmp_path):
    raw = Raw(tmp_path / "raw")
    for number in range(3):
        raw.add(f"video{number}")
    return raw
