"""What lies beside an evaluation: accuracy over the epochs as a curve, and which classes turn into which."""

import re

import pandas as pd
import pytest

from tests.helpers.runs.report_material import NAMES, SCRIPT, write_evaluation
from vidprep.harness.evaluation.tables.turned_classes import turned_sentence, turned_table, write_turned_table
from vidprep.report.find import find_subjects
from vidprep.report.page import write_page
from vidprep.report.sections.evaluation_tables import view_epochs, view_turned
from vidprep.report.sections.evaluations import view_evaluation

HEADING = "epoch,num_videos,top1,top1_low,top1_high,top5,mean_per_class\n"
ROWS = "0,9,0.1,0.05,0.3,0.5,0.1\n2,9,0.5,0.3,0.7,0.9,0.5\n5,9,0.6667,0.4,0.8,1.0,0.6\n"


@pytest.fixture
def folder(work, tmp_path):
    return write_evaluation(tmp_path / "eval", work / "shards", probe="reversed")


def subject_of(folder):
    (subject,) = find_subjects([folder])
    return subject


def corners(markup, name):
    text = re.search(rf'{name}="([^"]*)" class="', markup)[1]
    return [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+)[ ,]([\d.]+)", text)]


def test_the_curve_passes_through_the_accuracies_inside_their_interval(folder):
    (folder / "over_epochs.csv").write_text(HEADING + ROWS)
    seen, problems = view_epochs(subject_of(folder), 3)
    assert problems == []
    top1, band = corners(seen.chart, "points"), corners(seen.chart, "d")
    across = [x for x, _ in top1]
    assert [(x - across[0]) / (across[2] - across[0]) for x in across] == pytest.approx([0, 0.4, 1], abs=0.01)
    heights = [y for _, y in top1]
    assert (heights[0] - heights[1]) / (heights[0] - heights[2]) == pytest.approx(0.4 / 0.5667, abs=0.01)
    lows, highs = band[:3], band[:2:-1]
    for (x, y), (x_low, low), (x_high, high) in zip(top1, lows, highs, strict=True):
        assert x == pytest.approx(x_low, abs=0.1) and x == pytest.approx(x_high, abs=0.1)
        assert high < y < low  # SVG counts downwards
    assert [row[0] for row in seen.table] == ["epoch", "0", "2", "5"]
    assert seen.table[2][2:4] == ["50.00 %", "30.00 % to 70.00 %"]
    page = write_page([subject_of(folder)])
    assert "Over the epochs of the training" in page and seen.chart in page


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "No columns to parse"),
        (HEADING, "no row of finite numbers"),
        ("epoch,top1\n1,0.5\n", "no column mean_per_class, num_videos"),
        (HEADING + ROWS.replace("0.5,0.3", "half,0.3"), "could not convert string to float"),
        (HEADING + ROWS.replace("0.5,0.3", ",0.3"), "a cell that is no finite number"),
    ],
)
def test_a_damaged_table_is_a_note(folder, text, problem):
    (folder / "over_epochs.csv").write_text(text)
    seen = view_evaluation(subject_of(folder), 0)
    assert seen.epochs is None
    (note,) = seen.notes
    assert note.startswith("over_epochs.csv cannot be read: ") and problem in note


def test_which_class_turns_into_which_is_shown(folder):
    pairs = pd.DataFrame([(0, 1), (0, 1), (1, 0), (1, 0), (2, 2), (2, 2)], columns=["label", "predicted"])
    write_turned_table(pairs["label"].to_numpy(), pairs["predicted"].to_numpy(), NAMES, folder)
    seen, problems = view_turned(subject_of(folder))
    assert (problems, seen.sentence) == ([], "2 of 3 classes turn into others.")
    assert seen.table[1] == [NAMES[0], SCRIPT, "100 %", "0 %", "2"]
    assert seen.table[3] == [NAMES[2], "itself", "100 %", "100 %", "2"]
    page = write_page([subject_of(folder)])
    assert "Time reversed: 2 of 3 classes turn into others." in page and SCRIPT not in page
    assert "9 videos, 3 × 3 views, time reversed" in page


def test_a_network_that_names_one_class_turns_nothing_into_anything():
    labels = pd.Series([0, 0, 1, 1, 2, 2]).to_numpy()
    table = turned_table(labels, labels * 0 + 1, NAMES)
    assert turned_sentence(table) == (
        f"2 of 3 classes turn into others. But 100% of the videos are taken for one class, '{SCRIPT}': the "
        "network has collapsed to it, and what turns into what says nothing about motion."
    )
    swapped = turned_table(labels[:4], 1 - labels[:4], NAMES[:2])
    assert turned_sentence(swapped) == "2 of 2 classes turn into others."


def test_a_damaged_turned_table_is_a_note(folder):
    (folder / "turned_into.csv").write_text("class,share\na,1\n")
    assert view_evaluation(subject_of(folder), 0).notes == [
        "turned_into.csv cannot be read: no column num_videos, stays, turns_into. Run the evaluation again."
    ]
