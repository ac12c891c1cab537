"""Files that are there whole or not at all."""

import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from vidprep.files import distinct_names, write_whole


@contextmanager
def no_room_for(size: int):
    """Let no file grow beyond `size` bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_leaves_the_old_file_and_an_error_with_the_path(tmp_path):
    write_whole(tmp_path / "run.json", b"old")
    with no_room_for(100), pytest.raises(OSError, match="File too large") as caught:
        write_whole(tmp_path / "run.json", bytes(10_000))
    assert caught.value.filename == str(tmp_path / "run.json")  # what the command line's message needs
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert (tmp_path / "run.json").read_bytes() == b"old"


def test_names_that_cannot_be_mixed_up():
    paths = [Path(text) for text in ("a/x", "b/x", "c/y", "c/y")]
    assert distinct_names(paths) == {"a/x": Path("a/x"), "b/x": Path("b/x"), "y": Path("c/y")}
