"""Every test file is run, none is too long to read, and each lies where its subject does."""

import ast
import subprocess
import sys

import pytest

from tests.helpers.paths import REPOSITORY

TESTS = REPOSITORY / "tests"
FILES = sorted(path for path in TESTS.rglob("test_*.py"))
# Folders that pytest passes over by default, and many other tools, too.
IGNORED_NAMES = {"build", "dist", "node_modules", "venv", "CVS", "_darcs", "egg"}


def test_every_test_file_is_collected():
    """Once a folder was named `build`, which pytest passes over: its 119 tests had never run."""
    options = ["--collect-only", "-q", "-m", "slow or not slow", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout
    collected = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert len(FILES) > 90
    assert collected == {path.relative_to(REPOSITORY).as_posix() for path in FILES}


def test_no_folder_has_a_name_that_tools_pass_over():
    folders = [
        path for top in ("vidprep", "tests") for path in (REPOSITORY / top).rglob("*") if path.is_dir()
    ]
    assert not {folder.name for folder in folders if "fixtures" not in folder.parts} & IGNORED_NAMES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_a_test_file_has_at_most_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_a_file_of_the_package_and_of_the_benchmarks_has_at_most_400_lines():
    files = [path for top in ("vidprep", "benchmarks") for path in (REPOSITORY / top).rglob("*.py")]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    assert len(lengths) > 230
    assert not {str(path): length for path, length in lengths.items() if length > 400}


def test_tests_lie_where_their_subjects_do():
    for path in FILES:
        room = path.parent.relative_to(TESTS)
        # What other people's packages make of the shards is nobody's room.
        is_for_all = room.parts[:1] == ("conformance",)
        assert is_for_all or (REPOSITORY / "vidprep" / room).is_dir(), f"{path} has no room vidprep/{room}"


def test_every_room_says_what_it_is_for():
    for init in (REPOSITORY / "vidprep").rglob("__init__.py"):
        text = ast.get_docstring(ast.parse(init.read_text()))
        assert text and text.splitlines()[0].endswith((".", "?")), init


def test_no_room_is_crowded():
    counts = {}
    files = [path for top in ("vidprep", "tests", "benchmarks") for path in (REPOSITORY / top).rglob("*.py")]
    assert len(files) > 300
    for path in files:
        is_command = path.parent == REPOSITORY / "benchmarks"  # looked up by its name, as a pipeline is
        if path.name != "__init__.py" and not is_command:
            counts[path.parent] = counts.get(path.parent, 0) + 1
    crowded = {str(folder): number for folder, number in counts.items() if number > 14}
    assert not crowded


def test_a_file_directly_in_benchmarks_is_a_command():
    """What they share lies in benchmarks/parts, so that a newcomer sees at once what can be started."""
    commands = sorted((REPOSITORY / "benchmarks").glob("*.py"))
    assert len(commands) > 10
    assert [path.name for path in commands if '\nif __name__ == "__main__":\n' not in path.read_text()] == []
