"""A path that is wrong, a file in place of a folder, a folder without a finished set."""

import pytest

from tests.helpers.programs.program import run_here

# Commands that read a shard set; SET is put in its place.
READERS = (
    "status SET",
    "ledger SET",
    "explain SET train-a",
    "verify SET",
    "passport SET --out OUT",
    "subset SET --out OUT",
    "merge SET SET --out OUT",
    "reshard SET --samples-per-shard 3 --out OUT",
    "push SET memory://wrong-paths",
    "export SET --for croissant",
    "bench-loader SET",
    "train --shards SET --out OUT",
    "eval --shards SET --checkpoint none.pt --out OUT",
    "compare SET SET",
    "report SET --out OUT",
)


@pytest.fixture
def message(tmp_path):
    """Run a command on a path, and return its message, having made sure that it is a proper one."""

    def run(command, path):
        words = [
            {"SET": str(path), "OUT": str(tmp_path / "out.html")}.get(word, word) for word in command.split()
        ]
        done = run_here(*words)
        assert done.returncode == 1, (command, done.stderr)
        assert done.stderr.count("Error: ") == 1 and str(path) in done.stderr, (command, done.stderr)
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out.html").exists(), command
        return done.stderr

    return run


@pytest.mark.parametrize("command", READERS)
def test_there_is_nothing(message, command, tmp_path):
    assert any(
        words in message(command, tmp_path / "nowhere")
        for words in (f"No folder {tmp_path}/nowhere", f"No shard set and no passport at {tmp_path}/nowhere")
    )


@pytest.mark.parametrize("command", READERS)
def test_a_file_in_place_of_a_folder(message, command, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("notes")
    assert any(
        words in message(command, path) for words in ("notes.txt is a file", "notes.txt is no passport")
    )


@pytest.mark.parametrize("command", READERS)
def test_a_folder_without_a_finished_set(message, command, tmp_path):
    path = tmp_path / "empty"
    path.mkdir()
    assert any(
        words in message(command, path)
        for words in (
            f"No shard set at {path}: manifest.json is missing, which is written when a build ends",
            f"No build in {path}",
            f"{path}: nothing to report on",
        )
    )


def test_a_url_where_a_folder_is_needed():
    for command in ("export memory://set --for croissant", "push memory://set memory://other"):
        done = run_here(*command.split())
        assert done.returncode == 1
        assert "memory://set is a URL, and this command takes a folder. Copy the set first" in done.stderr


def test_a_url_where_nothing_lies():
    for command in ("passport memory://nothing --out none", "subset memory://nothing --out none"):
        done = run_here(*command.split())
        assert done.returncode == 1
        assert (
            "No shard set at memory://nothing: manifest.json is missing. Is the address right?" in done.stderr
        )
