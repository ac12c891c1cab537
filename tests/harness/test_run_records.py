"""Damage to run.json and metrics.jsonl is said, with file and line; what trainings wrote is read."""

import json

import pytest

from tests.helpers.paths import RELEASE_0_1
from vidprep.errors import HarnessError
from vidprep.harness.folder_lock import is_held
from vidprep.harness.run_folder import read_facts, read_metrics, torn_line

RUN = RELEASE_0_1 / "run"
FACTS = json.loads((RUN / "run.json").read_text())
LINES = (RUN / "metrics.jsonl").read_text().splitlines()


def start(**changes):
    return {"starts": [FACTS["starts"][0] | changes]}


def test_what_release_0_1_wrote_is_read():
    assert read_facts(RUN) == FACTS
    assert read_metrics(RUN) == [json.loads(line) for line in LINES]
    assert len(LINES) == 3 and torn_line(RUN) is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sead": 0}, "unknown key 'sead'"),
        ({"num_videos": -1}, "num_videos: Input should be greater than 0, got -1"),
        ({"seed": "0"}, "seed: Input should be a valid integer, got '0'"),
        ({"fingerprint": "1a0ec6f1"}, "fingerprint: String should match"),
        ({"classes": ["a"]}, "it: the classes are not those of class_list_hash"),
        (start(time="2026-13-24T09:38:30+00:00"), r"starts\.0: .*month"),
        (start(time="2026-11-24T09:38:30"), r"starts\.0: the time 2026-11-24T09:38:30 has no time zone"),
        (start(precision="fp16"), r"starts\.0\.precision: .*got 'fp16'"),
        (start(environment={}), r"no 'starts\.0\.environment\.vidprep'"),
    ],
)
def test_run_json_is_read_by_its_model(tmp_path, changes, problem):
    (tmp_path / "run.json").write_text(json.dumps(FACTS | changes))
    with pytest.raises(HarnessError, match=rf"run.json is damaged \({problem}.*\)\. Delete it and --resume"):
        read_facts(tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "line 2: Expecting value"),
        ("[1]", "line 2: it is no object with names and values"),
        (LINES[1].replace("loss", "losr"), "line 2: unknown key 'losr'"),
        (LINES[1].replace("step", "stop"), "line 2: no 'step'"),
        (LINES[1].replace('"epoch": 2', '"epoch": -2'), "line 2: epoch: .*greater than or equal to 0"),
        (LINES[1].replace('"top1": 0', '"top1": 8'), "line 2: top1: .*less than or equal to 1"),
        (LINES[1].replace('"step": 6', '"step": 86'), "line 3: step 9 after step 86"),
        (LINES[1].replace('"step": 6', '"step": 2'), "line 2: step 2 after step 3"),
        (LINES[1].replace('"step": 6', '"step": 6.5'), "line 2: step: .*integer"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, problem):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{LINES[0]}\n{line}\n{LINES[2]}\n")
    with pytest.raises(
        HarnessError, match=rf"metrics.jsonl holds a line .*\({problem}.*\)\. Delete that line"
    ):
        read_metrics(tmp_path)


def test_a_line_that_was_cut_short_is_said(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(f"{LINES[0]}\n{LINES[1][:-3]}")
    assert len(read_metrics(tmp_path)) == 1
    assert torn_line(tmp_path) == "metrics.jsonl, line 2, was cut short and is left out"


def test_a_lock_that_cannot_be_taken_is_held_by_nobody(tmp_path):
    (tmp_path / "lock").symlink_to("/sys/kernel/uevent_seqnum")  # opens for reading alone, also for root
    assert not is_held(tmp_path / "lock")
