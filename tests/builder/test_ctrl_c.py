"""Ctrl-C in a real terminal stops a build: it reaches workers and children, too."""

import os
import signal

import pytest

from tests.helpers.programs.terminal import Terminal, check_stopped
from tests.helpers.raw_videos.raw_k400 import build_command
from tests.helpers.sets.builds import SLOW, build, hashes, start_build, videos_seen, wait_until
from vidprep.builder.progress.status import read_status


def build_arguments(raw, out, *options):
    return build_command(raw, out, *options)[3:]


def test_ctrl_c_stops_a_build_and_the_same_command_goes_on(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    slow = build_arguments(dozen, out, "--workers", 2, "--ffmpeg", misbehaving_ffmpeg(*SLOW))
    with Terminal(*slow) as terminal:
        terminal.wait_until(lambda: videos_seen(out) > 3)
        terminal.press_ctrl_c()
        text, code = terminal.read_to_end()
    check_stopped(text, code, r"Stopped\. \d of 4 shards are finished.*Run the same command again to go on")
    assert "Stopping when the videos in hand are done" in text
    assert read_status(out).state == "stopped"
    build(dozen, out, "--workers", 2)
    assert hashes(out) == hashes(reference)


@pytest.mark.slow
def test_ctrl_c_while_workers_start(dozen, reference, tmp_path):
    out = tmp_path / "set"
    with Terminal(*build_arguments(dozen, out, "--workers", 2)) as terminal:
        terminal.wait_until(lambda: (out / ".build" / "log.jsonl").exists())
        terminal.press_ctrl_c()
        check_stopped(*terminal.read_to_end(), r"Stopped\. 0 of 4 shards are finished")
    build(dozen, out, "--sync")
    assert hashes(out) == hashes(reference)


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    asleep = build_arguments(
        dozen, out, "--workers", 2, "--ffmpeg", misbehaving_ffmpeg("video8", "sleep 500")
    )
    with Terminal(*asleep) as terminal:
        terminal.wait_until(lambda: videos_seen(out) > 5)
        terminal.press_ctrl_c()
        terminal.wait_for("Stopping when the videos in hand are done")
        terminal.press_ctrl_c()
        check_stopped(*terminal.read_to_end(), r"Stopped at once")
    assert read_status(out).state == "stopped"
    build(dozen, out, "--sync")
    assert hashes(out) == hashes(reference)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [("--workers", 2), ("--sync",)])
def test_the_whole_group_is_signalled(dozen, reference, tmp_path, misbehaving_ffmpeg, engine):
    out = tmp_path / "set"
    slow = misbehaving_ffmpeg(*SLOW)
    process = start_build(dozen, out, *engine, "--ffmpeg", slow, start_new_session=True)
    wait_until(lambda: videos_seen(out) > 3)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=240)
    check_stopped(text, process.returncode, r"Stopped\. \d of 4 shards are finished")
