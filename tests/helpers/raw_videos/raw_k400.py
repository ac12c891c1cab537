"""A small Kinetics-400 made of numbered videos, and how to build it as a user would."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.videos import numbered_video

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


SMALL = ("--set", "transcode.short_side=48", "--set", "shards.samples_per_shard=4")


def build_arguments(raw, out, *options):
    """The arguments of a build of a small mini_k400."""
    arguments = ["build", "mini_k400", "--source", str(raw.folder), "--out", str(out)]
    return [*arguments, *SMALL, *map(str, options)]


def build_command(raw, out, *options):
    """The command line of a build of a small mini_k400."""
    return [sys.executable, "-m", "vidprep", *build_arguments(raw, out, *options)]


def run_build(raw, out, *options):
    """Run a build as a user would, with --sync in this process; returns what `subprocess.run` does."""
    if "--sync" in options:
        return run_here(*build_arguments(raw, out, *options))
    return subprocess.run(build_command(raw, out, *options), capture_output=True, text=True, timeout=240)
