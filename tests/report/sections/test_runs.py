"""Curves of runs, and runs of which something is missing."""

import json
import re

import pytest
from filelock import FileLock

from tests.helpers.runs.report_material import SCRIPT, write_run
from vidprep.report.find import find_subjects
from vidprep.report.sections.runs import MAX_POINTS, NUM_SERIES, thin, view_runs


def view(*paths):
    return view_runs(find_subjects(paths))


def test_curves_run_over_epochs_and_runs_are_overlaid(tmp_path):
    seen = view(write_run(tmp_path / "a"), write_run(tmp_path / "b", lr=0.02))
    assert [curve.title for curve in seen.curves] == [
        "Loss",
        "Top-1 on training clips",
        "Learning rate",
        "Speed",
        "Waiting for data",
    ]
    loss = seen.curves[0].chart
    assert 'class="l l0"' in loss
    assert 'class="l l1"' in loss
    assert "epoch" in loss
    assert [row[0] for row in seen.table] == ["", "a", "b"]
    assert seen.table[1][1:6] == ["2", "200", "2", "25.0 %", "0.01"]


def test_validation_has_curves_and_a_column_and_hides_no_line_of_training(tmp_path):
    run = write_run(tmp_path / "a", num_lines=3)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 30, "epoch": 0.3, "validation_top1": 0.5, "validation_loss": 1.25}\n')
    seen = view(run)
    titles = [curve.title for curve in seen.curves]
    assert "Top-1 on the validation split" in titles and "Loss on the validation split" in titles
    assert seen.table[1][2:4] == ["30", view(write_run(tmp_path / "b", num_lines=3)).table[1][3]]
    assert seen.table[1][-1] == "50.0 %"


def test_facts_of_any_shape_are_flattened(tmp_path):
    (run,) = view(
        write_run(tmp_path / "a", facts={"x": {"y": [1, 2]}, "starts": [{"gpu": None}, {"gpu": True}]})
    ).runs
    assert run.facts == [("x.y", "1, 2"), ("starts 1.gpu", "–"), ("starts 2.gpu", "yes")]


def test_a_run_without_metrics_says_so(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "metrics.jsonl").unlink()
    seen = view(run)
    assert seen.curves == []
    assert seen.runs[0].notes[0].startswith("No metrics yet")
    assert seen.table[1] == ["a", *["–"] * 9]


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    run = write_run(tmp_path / "a", num_lines=3)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4')
    assert view(run).table[1][2] == "30"


def test_a_line_that_was_cut_short_is_a_note_unless_the_run_is_at_work(tmp_path):
    run = write_run(tmp_path / "a", num_lines=3)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4')
    with FileLock(run / "lock"):
        assert not any("cut short" in note for note in view(run).runs[0].notes)
    assert "metrics.jsonl, line 4, was cut short and is left out." in view(run).runs[0].notes


def test_run_json_that_no_training_wrote_is_shown_with_a_note(tmp_path):
    (seen,) = view(write_run(tmp_path / "a", facts={"seed": 1})).runs
    assert seen.facts == [("seed", "1")]
    assert "run.json is not as a training writes it: no 'shards'." in seen.notes


def test_many_damaged_lines_are_counted(tmp_path):
    run = write_run(tmp_path / "a", num_lines=2)
    with (run / "metrics.jsonl").open("a") as file:
        file.write("{\n" * 5)
    assert "2 more lines of metrics.jsonl cannot be read." in view(run).runs[0].notes


def test_damaged_files_are_notes(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "run.json").write_text("{")
    (run / "metrics.jsonl").write_text("no json\n")
    (notes,) = (each.notes for each in view(run).runs)
    assert any(note.startswith("metrics.jsonl cannot be read: line 1: Expecting value") for note in notes)
    assert any(note.startswith("run.json cannot be read") for note in notes)
    (run / "run.json").unlink()
    assert any("run.json is missing" in note for note in view(run).runs[0].notes)


def test_a_loss_that_is_no_number_is_said_and_not_drawn(tmp_path):
    run = write_run(tmp_path / "a", num_lines=2)
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": 3.0, "step": 30, "loss": float("nan")}) + "\n")
        file.write(json.dumps({"epoch": "four"}) + "\n")
        file.write(json.dumps({"epoch": float("nan"), "loss": 1.0}) + "\n")
    seen = view(run)
    assert "Lines of metrics.jsonl whose loss is not a finite number: 1." in seen.runs[0].notes
    assert any("no 'epoch': 2 lines" in note for note in seen.runs[0].notes)
    (points,) = re.findall(r'points="([^"]*)"', seen.curves[0].chart)
    assert len(points.split()) == 2


def test_more_runs_than_colours(tmp_path):
    seen = view(*(write_run(tmp_path / f"run{number}") for number in range(NUM_SERIES + 2)))
    assert seen.notes == [f"The charts show the first {NUM_SERIES} runs; 2 more stand below them."]
    assert [run.series for run in seen.runs][-2:] == [None, None]
    assert len(seen.table) == NUM_SERIES + 3


def test_long_curves_are_averaged():
    x, y = thin(range(1000), [float(value % 2) for value in range(1000)])
    assert len(x) <= MAX_POINTS
    assert all(abs(value - 0.5) < 0.15 for value in y)
    assert x == sorted(x)
    assert thin([1, 2], [3, 4]) == ([1, 2], [3, 4])


def test_the_recipe_is_shown_as_it_stands(tmp_path):
    assert view(write_run(tmp_path / "a")).runs[0].recipe == f"title = '{SCRIPT}'\n"


@pytest.mark.parametrize("line", ["[1]", '"text"', "null"])
def test_lines_that_are_no_objects_are_left_out(tmp_path, line):
    run = write_run(tmp_path / "a", num_lines=2)
    with (run / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    assert view(run).table[1][2] == "20"
