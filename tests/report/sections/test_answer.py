"""What the page begins with: how good, how sure, over what, what is missing."""

import pytest

from tests.helpers.runs.report_material import write_evaluation, write_run
from vidprep.report.find import find_subjects
from vidprep.report.page import write_page
from vidprep.report.sections.answer import view_answer
from vidprep.report.sections.runs import view_runs


def answer(*paths):
    subjects = find_subjects(paths)
    runs = [one for one in subjects if one.kind == "run"]
    return view_answer(
        [one for one in subjects if one.kind == "evaluation"], view_runs(runs) if runs else None
    )


@pytest.fixture
def folder(work, tmp_path):
    write_evaluation(tmp_path / "good", work / "shards", wrong=(0,))
    write_evaluation(tmp_path / "bad", work / "shards", wrong=(0, 3, 4, 6, 7))
    write_run(tmp_path / "run")
    return tmp_path


def test_each_figure_with_its_interval_and_of_what_it_is(folder):
    bad, good = answer(folder).evaluations
    assert (bad.name, good.name) == ("bad", "good")
    assert (good.top1, good.anchor) == ("88.89 %", "evaluation-2")
    assert good.over == "validation: 9 videos, 3 × 3 views, 3 classes"
    assert " to " in good.interval and good.warnings == ()


def test_probes_come_last_under_the_numbers_of_their_sections(work, folder):
    write_evaluation(folder / "at_first", work / "shards", probe="frozen")
    found = [(one.name, one.anchor) for one in answer(folder).evaluations]
    assert found == [("bad", "evaluation-2"), ("good", "evaluation-3"), ("at_first", "evaluation-1")]


def test_differences_are_paired(folder):
    (found,) = answer(folder).differences
    assert (found.first, found.second, found.difference) == ("bad", "good", "-44.44 points")
    assert (found.over, found.p_value) == (
        "9 common videos, 0 right in the first only, 4 in the second only",
        "0.12",
    )
    assert found.is_clear


def test_what_is_missing_is_said(work, folder, tmp_path):
    annotation = {"annotated": 12, "used": 9, "rejected": 1, "missing": 2, "expected": 20}
    annotation |= {"top1_bounds": [0.5, 0.75], "top5_bounds": [0.75, 1.0]}
    seen = {"frames": 100, "unseen": 20, "videos_seen_whole": 3}
    write_evaluation(folder / "few", work / "shards", annotation=annotation, seen_frames=seen)
    write_evaluation(folder / "still", work / "shards", annotation=annotation, probe="frozen")
    found = answer(folder)
    assert found.missing == [
        "few: of 12 annotated videos the shards lack some (1 rejected, 2 missing); over all of them top-1 "
        "lies from 50.00 % to 75.00 %.",
        "few: 20 % of the frames are in none of its views.",
        "Run run has no evaluation among these.",
    ]
    assert "clips frozen" in next(one.over for one in found.evaluations if one.name == "still")


def test_a_run_alone_says_what_it_knows(tmp_path):
    write_run(tmp_path / "run")
    ((name, text),) = answer(tmp_path).runs
    assert name == "run" and "on training clips, not validated" in text
    assert answer(tmp_path).evaluations == []


def test_the_page_begins_with_it(work, folder):
    warning = "Near chance: <b>nothing</b> was learnt."
    write_evaluation(folder / "chance", work / "shards", warnings=[warning])
    page = write_page(find_subjects([folder, work / "shards"]))
    main = page[page.index("<main>") :]
    assert main.index('id="answer"') < main.index('id="shards-1"') < main.index('id="evaluation-1"')
    assert "Near chance: &lt;b&gt;nothing" in main and "<b>nothing" not in page
    assert '<a class="top" href="#answer">' in page
