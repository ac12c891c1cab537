"""`vidprep status --watch`: shown again and again until the set is complete, or somebody has seen enough."""

import io
import json
import shutil
import threading

import pytest
from filelock import FileLock
from rich.console import Console

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.programs.program import run_here
from tests.helpers.programs.terminal import Terminal, check_stopped
from tests.helpers.sets.builds import wait_until
from vidprep.cli.tables import build_status
from vidprep.errors import BuildError


@pytest.fixture
def unfinished(tmp_path):
    """A build of four shards, the last of which is in hand."""
    out = shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "set")
    (out / "manifest.json").rename(tmp_path / "manifest.json")
    (out / ".build/done/000003.json").rename(tmp_path / "000003.json")
    return out


def finish(out):
    (out.parent / "000003.json").rename(out / ".build/done/000003.json")
    (out.parent / "manifest.json").rename(out / "manifest.json")


@pytest.mark.parametrize("terminal", [False, True])
def test_until_the_set_is_complete(unfinished, monkeypatch, terminal):
    monkeypatch.setattr(build_status, "_DISK_SECONDS", 0.05)
    monkeypatch.setattr(build_status, "_SHARE_OF_READING", 0)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=150)
    ended = []
    watching = threading.Thread(
        target=lambda: ended.append(build_status.watch_status(unfinished, console)), daemon=True
    )
    with FileLock(unfinished / ".build/lock"):
        watching.start()
        wait_until(lambda: "set: running, 3 / 4 shards" in console.file.getvalue())
        worker = "vm 127.0.0.1:35371: shard 3, " if not terminal else "127.0.0.1:35371"
        wait_until(lambda: worker in console.file.getvalue())
        assert not ended
    wait_until(lambda: "set: stopped, 3 / 4 shards" in console.file.getvalue())
    finish(unfinished)
    watching.join(timeout=240)
    assert [state.state for state in ended] == ["complete"]
    shown = console.file.getvalue()
    assert ("\x1b[" in shown) == terminal
    assert ("rejected" in shown and "videos/s" in shown and "ETA" in shown) or not terminal


def test_many_workers_are_shown_by_machine(unfinished, monkeypatch):
    monkeypatch.setattr(build_status, "_MOST_ROWS", 1)
    with FileLock(unfinished / ".build/lock"):
        state = build_status.read_status(unfinished)
    assert len(state.workers) == 2
    (row,) = build_status._rows(state.workers)
    assert (row.node, row.worker, row.shards) == ("vm", "2 workers", (3,))


def test_a_complete_set_is_shown_once():
    done = run_here("status", RELEASE_0_1 / "shards", "--watch")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].endswith("shards: complete")
    assert "4 of 4 done" in done.stdout


def test_workers_in_json(unfinished):
    with FileLock(unfinished / ".build/lock"):
        state = json.loads(run_here("status", unfinished, "--json").stdout)
    assert [one["node"] for one in state["workers"]] == ["vm", "vm"]
    assert [one["shards"] for one in state["workers"]].count([3]) == 1


def test_ctrl_c_ends_it(unfinished):
    with Terminal("status", unfinished, "--watch", env={"COLUMNS": "40"}) as terminal:
        # In a narrow terminal the line breaks anywhere, and nothing of it is lost.
        terminal.wait_until(lambda: "stopped,3/4shards" in "".join(terminal.text.split()))
        terminal.press_ctrl_c()
        text, code = terminal.read_to_end()
    check_stopped(text, code, r"Stopped by Ctrl-C\. The build goes on\.")


def test_what_cannot_be_watched(tmp_path):
    with pytest.raises(BuildError, match="No build in"):
        build_status.watch_status(tmp_path, Console(file=io.StringIO()))
    done = run_here("status", tmp_path, "--watch", "--json")
    assert done.returncode == 2
    assert "exclude each other" in done.stderr
