"""Which FFmpeg is taken, and that no other one is taken in its place."""

import shutil
import stat

import pytest

from vidprep import ffmpeg
from vidprep.errors import ToolError


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """An imageio-ffmpeg of the test's own; returns its folder of binaries."""
    package = tmp_path / "imageio_ffmpeg"
    (package / "binaries").mkdir(parents=True)
    monkeypatch.setattr("importlib.resources.files", lambda name: tmp_path / name)
    ffmpeg._packaged_ffmpeg.cache_clear()
    yield package / "binaries"
    ffmpeg._packaged_ffmpeg.cache_clear()


def write_program(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_a_packaged_ffmpeg_that_is_killed_is_not_replaced_by_the_systems(packaged, tmp_path, monkeypatch):
    write_program(packaged / "ffmpeg-linux-x86_64-v9", "kill -KILL $$")
    (tmp_path / "bin").mkdir()
    write_program(tmp_path / "bin/ffmpeg", "echo ffmpeg version system")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(ToolError, match=r"killed by signal 9 when asked for its version.*No other FFmpeg"):
        ffmpeg.find_ffmpeg()


def test_a_package_without_a_binary_is_named(packaged):
    with pytest.raises(ToolError, match="imageio-ffmpeg brings no FFmpeg for this machine"):
        ffmpeg.find_ffmpeg()


def test_a_binary_of_the_users_is_taken(tmp_path, monkeypatch):
    mine = shutil.copy(ffmpeg.find_ffmpeg(), tmp_path / "mine")
    assert ffmpeg.find_ffmpeg(str(mine)) == str(mine)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(mine))
    assert ffmpeg.find_ffmpeg() == str(mine)
