"""What a folder is, and what lies in it."""

from pathlib import Path

import pytest

from vidprep.errors import ReportError
from vidprep.report.find import MAX_DEPTH, MAX_FOLDERS, find_subjects


def kinds(subjects):
    return [(subject.kind, subject.name) for subject in subjects]


def test_a_folder_of_everything_is_looked_through(work):
    assert kinds(find_subjects([work])) == [
        ("shards", "shards"),
        ("run", "first"),
        ("run", "second"),
        ("evaluation", "eval"),
        ("analysis", "erf"),
    ]


def test_folders_by_name_stand_once_and_in_order(work):
    runs = [work / "runs" / "second", work / "runs" / "first"]
    assert kinds(find_subjects([*runs, work / "runs"])) == [
        ("run", "second"),
        ("run", "first"),
        ("evaluation", "eval"),
    ]


def test_equal_folder_names_are_told_apart(tmp_path):
    for name in ("a/run", "b/run"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}")
    assert [subject.name for subject in find_subjects([tmp_path])] == ["a/run", "b/run"]


def test_a_folder_of_nothing_is_an_error_that_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        ReportError, match=r"nothing to report on\. Looked, .* a shard set \(index\.parquet\), a run"
    ):
        find_subjects([tmp_path])
    (tmp_path / "recipe.toml").write_text("")
    with pytest.raises(ReportError, match=r"holds recipe\.toml but no run\.json: the run has not begun"):
        find_subjects([tmp_path])
    with pytest.raises(ReportError, match=r"No folder .*nowhere"):
        find_subjects([tmp_path / "nowhere"])


def test_what_lies_too_deep_or_hidden_is_not_found(tmp_path):
    deep = tmp_path.joinpath(*"abcdefgh"[: MAX_DEPTH + 1])
    hidden = tmp_path / ".hidden"
    for folder in (deep, hidden):
        folder.mkdir(parents=True)
        (folder / "results.json").write_text("{}")
    with pytest.raises(ReportError, match=f"down to {MAX_DEPTH} folders deep"):
        find_subjects([tmp_path])
    assert len(find_subjects([deep.parent])) == 1


def test_a_tree_too_large_to_look_through_is_an_error(tmp_path):
    for number in range(MAX_FOLDERS):
        (tmp_path / str(number)).mkdir()
    with pytest.raises(ReportError, match=r"holds more than 5,000 folders\. Name the ones to report on"):
        find_subjects([tmp_path])


def test_one_folder_by_two_names_stands_once(work, tmp_path, monkeypatch):
    monkeypatch.chdir(work)
    (tmp_path / "link").symlink_to(work / "runs" / "second")
    names = [Path("runs/second"), work / "runs" / "second", Path("runs/first/../second"), tmp_path / "link"]
    assert kinds(find_subjects(names)) == [("run", "second")]


def test_links_to_folders_are_not_followed_and_that_is_said(work, tmp_path):
    (tmp_path / "link").symlink_to(work / "runs" / "second")
    with pytest.raises(ReportError, match="links to folders left out"):
        find_subjects([tmp_path])
