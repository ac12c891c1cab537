"""The display counts each video once, whatever happens to its worker."""

import io

import pytest
from rich.console import Console

from vidprep.cli.display import BuildProgress
from vidprep.durations import format_seconds

PLANNED = {"event": "planned", "name": "mini", "num_videos": 10, "num_finished": 4, "num_rejected": 1}


def make(terminal=False):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    return BuildProgress(console), console


def video(shard, **more):
    return {
        "event": "video",
        "shard": shard,
        "worker": "a:1",
        "key": "k",
        "source": "x.mp4",
        "seconds": 0.1,
        **more,
    }


def shard(number):
    return {"event": "shard", "shard": number, "split": "train", "num_videos": 3, "worker": "a:1"}


@pytest.mark.parametrize("terminal", [False, True])
def test_counts_and_lines(terminal):
    progress, console = make(terminal)
    with progress:
        progress.update(PLANNED)
        progress.update(shard(1))
        progress.update(video(1))
        progress.update(video(1, reason="partial", detail="x"))
        assert progress.line().startswith("mini: 6 / 10 videos, ")
        assert progress.line().endswith("2 rejected")
        progress.update(shard(1))  # its worker died, and another one begins it again
        assert progress.line().startswith("mini: 4 / 10 videos, ")
        for number in range(1, 3):
            progress.update(shard(number))
            for _ in range(3):
                progress.update(video(number))
    text = console.file.getvalue()
    assert "mini: 10 / 10 videos" in text
    assert ("\x1b[" in text) == terminal


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (18_420, "5 h 7 min")]
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text
