"""A small Kinetics-400 made of numbered videos, and FFmpegs that misbehave on purpose."""

import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.videos import numbered_video
from vidprep.ffmpeg import find_ffmpeg

CLASSES = ("archery", "bowling", "yoga")


@dataclass
class Raw:
    """A source folder with its annotation, in the official layout."""

    folder: Path

    @property
    def csv(self):
        return self.folder / "annotations" / "train.csv"

    def add(self, video_id, split="train", label="yoga", num_frames=6, write=True, **options):
        """Annotate a video, and write it unless told otherwise."""
        if not self.csv.exists():
            self.csv.parent.mkdir(parents=True)
            self.csv.write_text("label,youtube_id,time_start,time_end,split\n")
        with self.csv.open("a") as file:
            file.write(f"{label},{video_id},0,10,{split}\n")
        path = self.folder / split / label / f"{video_id}_000000_000010.mp4"
        if write:
            numbered_video(path, num_frames, width=64, height=48, **options)
        return path


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


SMALL = ("--set", "transcode.short_side=48", "--set", "shards.samples_per_shard=4")


def build_command(raw, out, *options):
    """The command line of a build of a small mini_k400."""
    program = [sys.executable, "-m", "vidprep", "build", "mini_k400"]
    return [*program, "--source", str(raw.folder), "--out", str(out), *SMALL, *map(str, options)]


def run_build(raw, out, *options):
    """Run a build as a user would; returns what `subprocess.run` does."""
    return subprocess.run(build_command(raw, out, *options), capture_output=True, text=True, timeout=120)


@pytest.fixture
def misbehaving_ffmpeg(tmp_path):
    """Make an FFmpeg that runs a line of shell when its command names a word, and works otherwise."""

    def make(word, line):
        path = tmp_path / f"ffmpeg_{word}"
        path.write_text(f'#!/bin/sh\ncase "$*" in *{word}*) {line};; esac\nexec "{find_ffmpeg()}" "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return str(path)

    return make
