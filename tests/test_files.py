"""Files that are whole or not there."""

import errno
from pathlib import Path

import pytest

from vidprep.files import write_whole


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    write_whole(path, b"old")

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*page\.html'"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named_as_the_user_knows_it(tmp_path, monkeypatch):
    def denied(self, data):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_bytes", denied)
    with pytest.raises(OSError, match=r"Read-only file system: '.*page\.html'$"):
        write_whole(tmp_path / "page.html", b"")
