"""Ctrl-C in a real terminal, at the first moment and in the midst of the work, of any command.

The midst of a build has tests of its own: tests/builder/test_ctrl_c.py.
"""

import shutil
import subprocess
import sys

import pytest

from tests.helpers.paths import REPOSITORY
from tests.helpers.programs.terminal import Terminal, check_stopped
from tests.helpers.raw_videos.raw_k400 import Raw

# Stands for a person who watches: the program waits at a certain point until the key is pressed.
WATCHES = """
import os, sys, time
def look(event, arguments):
    if event in ("import", "open") and os.environ["MOMENT"] in f"{event} {arguments[0]}":
        try:
            open(os.environ["REACHED"], "x").close()
        except FileExistsError:
            return
        end = time.monotonic() + 60
        while not os.path.exists(os.environ["PRESSED"]) and time.monotonic() < end:
            time.sleep(0.02)
sys.addaudithook(look)
"""
IMPORTS = "import numpy"
SHARDS = ("--shards", "release/shards")
CHECKPOINT = ("--checkpoint", "release/run/checkpoints/epoch-0003.pt")
COMMANDS = {
    "build": ["mini_k400", "--source", "raw", "--out", "out"],
    "audit": ["mini_k400", "--source", "raw"],
    "verify": ["release/shards", "--workers", 3],  # of which some are idle
    "index": ["third-party", "--workers", 2],
    "compare": ["release/shards", "release/shards"],
    "subset": [
        "release/shards",
        "--out",
        "out",
        "--set",
        "shards.samples_per_shard=1",
    ],  # many are not in hand
    "report": ["release/shards", "release/run", "--out", "out.html"],
    "filters": [*CHECKPOINT, "--out", "out"],
    "erf": ["--run", "release/run", "--out", "out", "--draws", 1, "--frames", 4, "--size", 16],
    "eval": [*SHARDS, *CHECKPOINT, "--out", "out", "--workers", 1],
    "train": [*SHARDS, "--recipe", "release/run/recipe.toml", "--out", "out", "--workers", 1, "--resume"],
}
ANEW = r"Stopped by Ctrl-C\. Run the same command again: it goes on where it can"
# A file whose opening is the midst of the work, in whatever process it happens; and what is said.
MIDST = {
    "audit": ("open raw/annotations/train.csv", ANEW),
    "verify": ("train-000000.tar", ANEW),
    "index": ("open third-party/b.tar", ANEW),
    "compare": ("passport.parquet", ANEW),
    "subset": ("train-000000.tar", r"Stopped.*Run the same command again to go on"),
    "report": ("train-000000.tar", r"No page was written.*Run the same command again to begin anew"),
    "filters": ("filters.parquet", r"half-written\. Run the same command again to begin anew"),
    "erf": ("epoch-0001.npz", r"Finished draws are kept.*Run the same command again to go on"),
    "eval": ("validation-000000.tar", r"the same command"),
    "train": ("epoch-0001.pt", r"--resume"),
}
SOURCES = ("raw", "release", "third-party", "watching")
FAST = {("build", "first"), ("audit", "midst"), ("compare", "midst")}


def slow_unless_fast(moment):
    return [
        pytest.param(name, marks=() if (name, moment) in FAST else pytest.mark.slow, id=name)
        for name in (COMMANDS if moment == "first" else MIDST)
    ]


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(REPOSITORY / "tests/fixtures/release_0_1", tmp_path / "release")
    Raw(tmp_path / "raw").add("one")
    Raw(tmp_path / "raw").add("two", split="val")
    (tmp_path / "third-party").mkdir()
    for name in "abc":
        shutil.copy(
            next(tmp_path.glob("release/shards/train/*.tar")), tmp_path / "third-party" / f"{name}.tar"
        )
    (tmp_path / "watching").mkdir()
    (tmp_path / "watching/sitecustomize.py").write_text(WATCHES)
    return tmp_path


def press_at(folder, command, moment):
    """Press Ctrl-C when a command has come to a moment; return what it said and its exit code."""
    names = {name: str(folder / "watching" / name.lower()) for name in ("REACHED", "PRESSED")}
    environment = {"PYTHONPATH": str(folder / "watching"), "MOMENT": moment, "OMP_NUM_THREADS": "1", **names}
    with Terminal(command, *COMMANDS[command], cwd=folder, env=environment) as terminal:
        terminal.wait_until((folder / "watching/reached").exists)
        terminal.press_ctrl_c()
        (folder / "watching/pressed").touch()
        return terminal.read_to_end()


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in SOURCES)


@pytest.mark.parametrize("command", slow_unless_fast("first"))
def test_at_the_first_moment_nothing_is_begun(folder, command):
    text, code = press_at(folder, command, IMPORTS)
    check_stopped(text, code, r"before anything was begun\. Run the same command again to begin")
    assert left_behind(folder) == []


@pytest.mark.parametrize("command", slow_unless_fast("midst"))
def test_in_the_midst_the_same_command_goes_on(folder, command):
    moment, words = MIDST[command]
    check_stopped(*press_at(folder, command, moment), words)
    if "out" not in COMMANDS[command]:
        assert left_behind(folder) == []
    again = [sys.executable, "-m", "vidprep", command, *map(str, COMMANDS[command])]
    done = subprocess.run(again, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert [path for path in folder.rglob("*.partial")] == []


def test_before_the_program_knows_which_command_is_meant():
    code = "import os, signal, vidprep.__main__ as m; os.kill(0, 0)\n"
    code += "import builtins; real = builtins.__import__\n"
    code += "def press(name, *rest):\n"
    code += "    if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
    code += "    return real(name, *rest)\n"
    code += "builtins.__import__ = press; m.main()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    check_stopped(done.stderr, done.returncode, "Stopped by Ctrl-C before anything was begun")
