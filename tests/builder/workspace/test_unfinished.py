"""A build that was stopped or killed keeps the finished videos of the shards in hand."""

import re
import signal

import pytest

from tests.helpers.raw_videos.raw_k400 import run_build
from tests.helpers.sets.builds import SLOW, build, hashes, start_build, videos_seen, wait_until
from vidprep.builder.workspace import finished
from vidprep.builder.workspace.unfinished import num_kept_videos
from vidprep.ffmpeg import find_ffmpeg


@pytest.fixture
def counting_ffmpeg(tmp_path):
    """An FFmpeg that writes down the source of each encoding."""
    path, seen = tmp_path / "counting_ffmpeg", tmp_path / "sources.txt"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *libx264*) echo "$*" >> {seen};; esac\nexec "{find_ffmpeg()}" "$@"\n'
    )
    path.chmod(0o755)
    return str(path), lambda: sorted(re.findall(r"(\w+)_000000_000010\.mp4", seen.read_text()))


ONE_SHARD = ("--sync", "--set", "shards.samples_per_shard=10")
SPLITS = {"video": "train", "held_out": "validation"}


def end_midway(dozen, out, ffmpeg, number):
    """End a build by a signal after five videos of its first shard; return what it said."""
    process = start_build(dozen, out, *ONE_SHARD, "--ffmpeg", ffmpeg)
    wait_until(lambda: videos_seen(out) >= 5)
    process.send_signal(number)
    return process.communicate(timeout=240)[0]


@pytest.fixture(scope="module")
def one_shard(dozen, tmp_path_factory):
    out = tmp_path_factory.mktemp("one_shard") / "set"
    build(dozen, out, *ONE_SHARD)
    return out


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_finished_videos_are_taken_over(
    dozen, one_shard, tmp_path, misbehaving_ffmpeg, counting_ffmpeg, number
):
    out, (ffmpeg, encoded) = tmp_path / "set", counting_ffmpeg
    said = end_midway(dozen, out, misbehaving_ffmpeg(*SLOW), number)
    kept = num_kept_videos(out)
    assert kept >= 5
    assert (
        number == signal.SIGKILL
        or f"0 of 2 shards are finished and kept, and {kept} videos of others" in said
    )
    build(dozen, out, *ONE_SHARD, "--ffmpeg", ffmpeg)
    assert len([name for name in encoded() if name.startswith("video")]) == 10 - kept
    assert hashes(out) == hashes(one_shard)
    assert [path.suffix for path in (out / ".build" / "staging").iterdir()] == []


def test_nothing_is_lost_between_a_staged_tar_and_its_done_file(
    dozen, one_shard, tmp_path, counting_ffmpeg, monkeypatch
):
    out, (ffmpeg, encoded) = tmp_path / "set", counting_ffmpeg

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(finished, "write_whole", stop)
    done = run_build(dozen, out, *ONE_SHARD)
    assert "0 of 2 shards are finished and kept, and 10 videos of others" in done.stderr
    assert [path.suffix for path in sorted((out / ".build" / "staging").iterdir())] == [".jsonl", ".tar"]
    monkeypatch.undo()
    build(dozen, out, *ONE_SHARD, "--ffmpeg", ffmpeg)
    assert not [name for name in encoded() if name.startswith("video")]
    assert hashes(out) == hashes(one_shard)
    assert list((out / ".build" / "staging").iterdir()) == []


def test_what_is_not_whole_is_made_again(dozen, one_shard, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    end_midway(dozen, out, misbehaving_ffmpeg(*SLOW), signal.SIGINT)
    (tar,), (lines,) = out.glob(".build/staging/*.partial"), out.glob(".build/staging/*.jsonl")
    data = bytearray(tar.read_bytes())
    data[2000] ^= 1
    tar.write_bytes(data[: len(data) // 2])
    texts = lines.read_text().splitlines()
    hostile = texts[1].replace('"mp4_offset": ', '"mp4_offset": 9999999')
    lines.write_text("\n".join(["{", "[]", hostile, *texts, texts[-1][:40]]))
    build(dozen, out, *ONE_SHARD)
    assert hashes(out) == hashes(one_shard)


def test_another_plan_is_said_and_takes_nothing_over(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    end_midway(dozen, out, misbehaving_ffmpeg(*SLOW), signal.SIGINT)
    done = run_build(dozen, out, "--sync")
    assert "Planned anew, as no shard was finished yet: shards was" in done.stdout
    assert "the videos" not in done.stdout.split("Planned anew")[1].splitlines()[0]
    assert '"samples_per_shard":10' in done.stdout
    assert hashes(out) == hashes(reference)
