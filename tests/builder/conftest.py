"""Raw videos to build from, and FFmpegs that misbehave on purpose."""

import stat
import subprocess

import pytest

from tests.helpers.raw_videos.raw_k400 import CLASSES, Raw
from tests.helpers.sets.builds import build
from vidprep.ffmpeg import find_ffmpeg


@pytest.fixture
def raw(tmp_path):
    return Raw(tmp_path / "raw")


@pytest.fixture(scope="session")
def dozen(tmp_path_factory):
    """Ten videos to train and three to validate; do not change them."""
    raw = Raw(tmp_path_factory.mktemp("dozen"))
    for number in range(10):
        raw.add(f"video{number}", label=CLASSES[number % 3], num_frames=4 + number)
    for number in range(3):
        raw.add(f"held_out{number}", split="val", label=CLASSES[number % 3])
    return raw


@pytest.fixture(scope="session")
def reference(dozen, tmp_path_factory):
    """The set that is built from the dozen; do not change it."""
    out = tmp_path_factory.mktemp("reference") / "set"
    build(dozen, out, "--sync")
    return out


@pytest.fixture
def misbehaving_ffmpeg(tmp_path):
    """Make an FFmpeg that runs a line of shell when its command names a word, and works otherwise."""

    def make(word, line):
        path = tmp_path / f"ffmpeg_{word}"
        path.write_text(f'#!/bin/sh\ncase "$*" in *{word}*) {line};; esac\nexec "{find_ffmpeg()}" "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return str(path)

    return make


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)
