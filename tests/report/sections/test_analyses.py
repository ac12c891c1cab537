"""Figures and numbers of other commands, whole or damaged."""

import json

import pytest

from tests.helpers.runs.report_material import write_analysis
from vidprep.report.find import find_subjects
from vidprep.report.sections.analyses import view_analysis

STAGE = {"num_filters": 64, "num_zero": 1, "mean_squared": {"a": 0.5, "b": 0.3, "c": 0.2}}
STAGE |= {"median_angle_degrees": 45.0, "mean_share": 0.9}


def view(path, max_chars=10_000_000):
    (subject,) = find_subjects([path])
    return view_analysis(subject, max_chars)


@pytest.fixture
def folder(tmp_path):
    return write_analysis(tmp_path / "erf")


def test_numbers_and_figures_of_a_receptive_field(folder):
    seen = view(folder)
    assert seen.title == "Effective receptive field"
    assert ("sigma", "2.79 frames") in seen.facts
    assert ("centroid (t, y, x)", "16.0, 96.8, 96.5") in seen.facts
    assert [figure.caption for figure in seen.figures] == [
        "Effective receptive field in time: energy per frame"
    ]
    assert seen.notes == []


def test_the_table_of_temporal_filters(tmp_path):
    summary = {"matrix": "filter", "checkpoint": "x.pt", "all": STAGE}
    summary["stages"] = [{"stage": "conv1"} | STAGE, {"stage": "layer1", "num_filters": 3, "num_zero": 3}]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    seen = view(tmp_path)
    assert seen.title == "Temporal filters"
    assert seen.table.rows[1] == ["conv1", "64", "1", "0.500", "0.300", "0.200", "45.0°", "0.9"]
    assert seen.table.rows[2][:4] == ["layer1", "3", "3", "–"]
    assert seen.table.rows[3][0] == "all layers"
    assert seen.notes == ["There are no figures in this folder."]
    versus = {"checkpoint": "y.pt", "all": STAGE | {"num_filters": 65}}
    (tmp_path / "summary.json").write_text(json.dumps(summary | {"versus": versus}))
    seen = view(tmp_path)
    assert seen.table.rows[4][:2] == ["all, versus", "65"]
    assert ("versus", "y.pt") in seen.facts


def test_figures_that_nobody_knows_get_their_name(folder):
    (folder / "growth_of-layers.png").write_bytes((folder / "time.png").read_bytes())
    (folder / "frames-2.png").write_bytes((folder / "time.png").read_bytes())
    captions = [figure.caption for figure in view(folder).figures]
    assert captions[:2] == ["Effective receptive field, frame by frame, network 2", "Growth of layers"]


def test_a_growth_is_shown_whatever_it_holds(folder):
    (folder / "erf.json").unlink()
    (folder / "growth.json").write_text('{"epochs": [0, 5], "any": {"thing": 1.5}}')
    seen = view(folder)
    assert seen.title == "Growth"
    assert ("epochs", "0, 5") in seen.details
    assert len(seen.figures) == 1
    (folder / "growth.json").write_text(json.dumps({"epochs": [{"epoch": n} for n in range(1000)]}))
    assert view(folder).details[-1] == ("…", "600 more in the folder's JSON")


def test_damaged_summaries_and_figures_are_notes(folder):
    (folder / "erf.json").write_text('{"sigma_frames": "wide"}')
    assert view(folder).notes[0].startswith("The summary is not one of this version")
    (folder / "erf.json").write_text("[]")
    assert view(folder).notes[0].startswith("erf.json is not one of this version: it holds no object")
    (folder / "erf.json").write_text("{")
    (folder / "time.png").write_bytes(b"no image")
    notes = view(folder).notes
    assert notes[0].startswith("erf.json cannot be read: Expecting")
    assert notes[1] == "time.png is left out: no readable PNG, or too large for this page."
