"""Ways to transcode the same videos: shell loops, a build by its command, and a worker's part of a build."""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from parts.loader_data import sample_of
from vidprep.builder.transcoding.command import encode_command
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.recipe import Transcode


def shell_loop(videos, num_processes, *, checked=False):
    """The same FFmpeg command for every file, `num_processes` at a time: what a script would do.

    With `checked`, what a careful script would do: decode the result back, and hash it twice as a build does.
    """
    with tempfile.TemporaryDirectory() as out:
        ffmpeg, lines = find_ffmpeg(), []
        for number, video in enumerate(videos):
            stored = Path(out) / f"{number}.mp4"
            line = shlex.join(encode_command(ffmpeg, video, stored, Transcode()))
            if checked:
                decode = f"{ffmpeg} -v error -xerror -threads 1 -i {stored} -f null -"
                line += f" && {decode} && sha256sum {stored} >&2 && md5sum {stored} >&2"
            lines.append(line)
        started = time.perf_counter()
        subprocess.run(
            ["xargs", "-P", str(num_processes), "-I{}", "sh", "-c", "exec 2>/dev/null; {}"],
            input="\n".join(shlex.quote(line) for line in lines),
            text=True,
            check=True,
        )
        return len(videos) / (time.perf_counter() - started)


def one_build(dataset, source, *options, cores=None):
    """Videos per second of a build, start of the first shard to end of the last, by its own log."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "vidprep", "build", dataset]
        command += ["--source", str(source), "--out", f"{out}/set"]
        command += ["--set", "shards.samples_per_shard=10", *options]
        command = ["taskset", "-c", cores, *command] if cores else command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        events = [json.loads(line) for line in Path(f"{out}/set/.build/log.jsonl").read_text().splitlines()]
    times = [datetime.fromisoformat(event["time"]) for event in events if event["event"] in ("shard", "done")]
    videos = sum(event["event"] == "video" for event in events)
    return videos / (times[-1] - times[0]).total_seconds()


def build_work(videos):
    """Transcode, check and pack videos as a worker does."""
    from vidprep.builder.transcoding.transcode import check_stored, transcode
    from vidprep.shards.tar import ShardWriter

    with tempfile.TemporaryDirectory() as scratch, ShardWriter(Path(scratch) / "a.tar") as writer:
        for video in videos:
            encoded = transcode(video, Path(scratch), Transcode(), find_ffmpeg())
            writer.write(sample_of("x", check_stored(encoded, Transcode())))
