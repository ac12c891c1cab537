"""The audit: numbers, remarks, and what the command prints."""

import json

import pytest
from typer.testing import CliRunner

from tests.helpers.raw_videos.small_datasets import (
    CLOSING,
    HOLDING,
    k400,
    k400_list,
    k400_row,
    put,
    put_text,
    ssv2,
    ssv2_list,
)
from vidprep.cli.main import app
from vidprep.datasets.audit_counts import audit_remarks, audit_splits, used_per_source
from vidprep.errors import RecipeError, SourceError


def run(*arguments):
    """Return what the command prints."""
    words = ["audit", *map(str, arguments)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def row_of(output, heading):
    """Return the cells of one row of the printed table."""
    lines = [line for line in output.splitlines() if line.startswith(f"│ {heading} ")]
    assert len(lines) == 1, output
    return [cell.strip() for cell in lines[0].strip("│").split("│")][1:]


@pytest.fixture
def kinetics(tmp_path):
    """Five videos: present, zero bytes, missing, annotated twice, and one that nobody annotated."""
    rows = [k400_row("yoga", name) for name in "abcd"]
    put(tmp_path / "v/val/yoga/a_000001_000011.mp4")
    put(tmp_path / "v/val/yoga/b_000001_000011.mp4", b"")
    put(tmp_path / "v/val/[bold]x.mp4")
    put(tmp_path / "v/y.mp4")
    k400_list(tmp_path / "v/annotations/val.csv", *rows, rows[3])
    return tmp_path / "v"


def test_counts_add_up(kinetics):
    train, validation, elsewhere = audit_splits(k400([kinetics], [], subset="mini_k400"))
    assert (validation.annotated, validation.expected, validation.difference) == (5, 9934, -9929)
    assert (validation.present, validation.missing, validation.rejected) == (1, 2, 2)
    assert validation.reasons == {"duplicate_row": 1, "zero_bytes": 1}
    assert validation.extra == 1
    assert (train.annotated, train.expected, train.difference, train.extra) == (0, 121802, None, 0)
    assert (elsewhere.split, elsewhere.annotated, elsewhere.expected, elsewhere.extra) == ("", 0, None, 1)


def test_without_sources_only_the_annotation_is_counted(kinetics):
    _, validation = audit_splits(k400([], [str(kinetics)]))
    assert (validation.annotated, validation.rejected) == (5, 1)
    assert (validation.present, validation.missing, validation.extra) == (None, None, None)


def test_a_difference_is_a_note_for_kinetics_and_a_warning_for_something(kinetics, tmp_path):
    remarks = audit_remarks(k400([], [str(kinetics)]))
    assert [remark.level for remark in remarks] == ["note", "note", "note"]
    assert remarks[0].text == "No list of the split 'train' was given."
    assert remarks[1].text.startswith("validation: 5 annotated, Table A has 19,877. YouTube videos vanish")
    assert remarks[2].text == "validation: 399 of 400 classes have no video, e.g. 'abseiling'."
    first = audit_remarks(ssv2([], [ssv2_list(tmp_path, "train", {"1": CLOSING})]))[1]
    assert first.level == "warning"
    assert first.text.startswith("train: 1 annotated, Table A has 168,913. The official lists agree")


def test_no_difference_without_an_expectation(kinetics):
    inventory = k400([], [str(kinetics)], classes=("yoga",))
    assert [remark.text for remark in audit_remarks(inventory)] == ["No list of the split 'train' was given."]


def test_used_per_source(tmp_path):
    put(tmp_path / "a/1.webm")
    put(tmp_path / "b/1.webm")
    (tmp_path / "c").mkdir()
    lists = [ssv2_list(tmp_path, "train", {"1": CLOSING, "2": HOLDING})]
    used = used_per_source(ssv2([tmp_path / "a", tmp_path / "b", tmp_path / "c"], lists))
    assert list(used.values()) == [1, 0, 0]


def test_the_printed_table(kinetics):
    output = run("mini_k400", "--source", kinetics)
    assert "Kinetics-400, 200 classes" in output
    assert row_of(output, "annotated") == ["0", "5", "0"]
    assert row_of(output, "expected (Table A)") == ["121,802", "9,934", "-"]
    assert row_of(output, "difference") == ["-", "-9,929", "-"]
    assert row_of(output, "present") == ["0", "1", "0"]
    assert row_of(output, "missing") == ["0", "2", "0"]
    assert row_of(output, "rejected") == ["0", "2", "0"]
    assert row_of(output, "  zero_bytes") == ["0", "1", "0"]
    assert row_of(output, "extra") == ["0", "1", "1"]
    assert "note: validation: 5 annotated, Table A has 9,934." in output
    assert "missing validation/c_000001_000011\n" in output
    assert "rejected validation/b_000001_000011: zero_bytes: val/yoga/b_000001_000011.mp4 is empty" in output
    assert "extra in validation folders: 1, e.g. val/[bold]x.mp4" in output
    assert "extra outside split folders: 1, e.g. y.mp4" in output


def test_the_printed_table_without_videos(kinetics):
    output = run("mini_k400", "--annotations", kinetics / "annotations")
    assert "Videos were not looked for: pass --source DIR, or set $VIDPREP_" in output
    for absent in ("present", "missing", "extra"):
        assert f"│ {absent} " not in output
    assert row_of(output, "  duplicate_row") == ["0", "1"]


def test_several_sources_and_ones_own_classes(kinetics, tmp_path):
    (tmp_path / "other").mkdir()
    classes = put_text(tmp_path / "mine.txt", "yoga\narchery\n")
    arguments = ["--source", kinetics, "--source", tmp_path / "other", "--class-list", classes]
    output = run("mini_k400", *arguments)
    assert "Kinetics-400, 2 classes" in output
    assert "expected" not in output
    assert f"used from {kinetics}: 1\n" in output
    assert f"used from {tmp_path / 'other'}: 0\n" in output


def test_videos_are_looked_for_where_the_environment_says(kinetics, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDPREP_K400", str(tmp_path / "v"))
    output = run("k400", "--annotations", tmp_path / "v/annotations")
    assert row_of(output, "present")[1] == "1"
    assert "Videos were not looked for" not in output


def test_json(kinetics):
    found = json.loads(run("mini_k400", "--source", kinetics, "--json"))
    assert (found["dataset"], found["num_classes"]) == ("k400", 200)
    validation = found["splits"][1]
    assert validation["split"] == "validation"
    assert (validation["annotated"], validation["expected"], validation["difference"]) == (5, 9934, -9929)
    assert validation["reasons"] == {"duplicate_row": 1, "zero_bytes": 1}
    assert found["sources"] == {str(kinetics): 1}
    assert [row["video_id"][0] for row in found["examples"]["missing"]] == ["c", "d"]
    assert [row["reason"] for row in found["examples"]["rejected"]] == ["zero_bytes", "duplicate_row"]
    assert found["extra"]["validation"] == {"num_videos": 1, "examples": ["val/[bold]x.mp4"]}
    assert {remark["level"] for remark in found["remarks"]} == {"note"}


def test_errors_reach_the_command_line(kinetics, tmp_path):
    with pytest.raises(RecipeError, match="Unknown pipeline 'k40'"):
        run("k40")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="No Kinetics-400 videos"):
        run("k400", "--source", tmp_path / "empty", "--annotations", kinetics)
