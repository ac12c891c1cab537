"""Misfortune of kinds that nobody plans for: odd titles, odd environments, lost and cut files."""

import json
import os
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from tests.helpers.raw_videos.raw_k400 import run_build
from vidprep.builder.progress.status import read_status
from vidprep.builder.workspace.log import read_log
from vidprep.cli.main import app
from vidprep.errors import BuildError, RecipeError, ShardError
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.mini import with_class_list
from vidprep.recipes.pipelines import read_pipeline
from vidprep.shards.checks import find_problems as verify
from vidprep.shards.ledger import read_ledger


def outcomes(out):
    return {row["video_id"]: (row["status"], row["reason"]) for row in read_ledger(out).to_pylist()}


@pytest.mark.parametrize(
    "title",
    [
        "No space left on device",
        "received signal 15",
        "Out of memory",
        "Input stream #0:0 (video): 1 packets read (1 bytes); 1 frames decoded; 0 decode errors",
    ],
)
def test_a_title_is_not_taken_for_a_message_of_ffmpeg(raw, tmp_path, title):
    path = raw.add("titled")
    plain = path.rename(path.with_name("plain.mp4"))
    command = [find_ffmpeg(), "-v", "error", "-i", plain, "-c", "copy", "-metadata", f"title={title}", path]
    subprocess.run(command, check=True)
    plain.unlink()
    done = run_build(raw, tmp_path / "set", "--sync")
    assert done.returncode == 0, done.stderr
    assert outcomes(tmp_path / "set") == {"titled_000000_000010": ("used", "")}


def test_a_misspelt_preset_is_an_error_and_rejects_no_video(raw, tmp_path):
    raw.add("good")
    done = run_build(raw, tmp_path / "set", "--sync", "--set", "transcode.preset=verryfast")
    assert done.returncode == 1, done.stdout


def test_coloured_logs_reject_no_video(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("AV_LOG_FORCE_COLOR", "1")
    raw.add("good")
    run_build(raw, tmp_path / "set", "--sync")
    assert outcomes(tmp_path / "set") == {"good_000000_000010": ("used", "")}


def test_sources_may_move_between_two_runs(raw, tmp_path):
    raw.add("one")
    out = tmp_path / "set"
    assert run_build(raw, out, "--sync").returncode == 0
    (out / "train" / "mini_k400-train-000000.tar").unlink()
    raw.folder = raw.folder.rename(tmp_path / "elsewhere")
    done = run_build(raw, out, "--sync")
    assert done.returncode == 0, done.stderr


def test_a_lost_done_file_costs_one_shard(raw, tmp_path):
    for number in range(3):
        raw.add(f"video{number}")
    out, one_each = tmp_path / "set", ("--set", "shards.samples_per_shard=1")
    assert run_build(raw, out, "--sync", *one_each).returncode == 0
    (out / ".build" / "done" / "000001.json").unlink()
    assert run_build(raw, out, "--sync", *one_each).returncode == 0
    starts = [event["num_pending"] for event in read_log(out) if event["event"] == "start"]
    assert starts == [3, 1]


def test_a_shard_that_is_empty_when_built_again_shifts_no_other(raw, tmp_path):
    paths = [raw.add(f"video{number}") for number in range(4)]
    out, one_each = tmp_path / "set", ("--set", "shards.samples_per_shard=1")
    assert run_build(raw, out, "--sync", *one_each).returncode == 0
    first = next(row for row in read_ledger(out).to_pylist() if row["shard"].endswith("000000.tar"))
    (out / first["shard"]).unlink()
    path = next(path for path in paths if path.stem == first["video_id"])
    path.write_bytes(bytes(path.stat().st_size))
    done = run_build(raw, out, "--sync", *one_each)
    assert done.returncode == 0, done.stderr
    assert [problem for found in verify(out) for problem in found] == []


def test_a_log_cut_by_a_crash_loses_no_start(raw, tmp_path):
    raw.add("one")
    out = tmp_path / "set"
    assert run_build(raw, out, "--sync").returncode == 0
    (out / "train" / "mini_k400-train-000000.tar").unlink()
    log = out / ".build" / "log.jsonl"
    os.truncate(log, log.stat().st_size - 5)
    assert run_build(raw, out, "--sync").returncode == 0
    assert sum(event["event"] == "start" for event in read_log(out)) == 2


def test_a_class_list_may_have_any_file_name(tmp_path):
    path = tmp_path / "My Classes.txt"
    path.write_text("yoga\narchery\n")
    try:
        recipe = with_class_list(read_pipeline("mini_k400"), path)
    except RecipeError:
        return  # an error with a remedy would do, too
    assert recipe.dataset.classes == ("archery", "yoga")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_verify_survives_a_damaged_class_list(raw, tmp_path, content):
    raw.add("one")
    out = tmp_path / "set"
    assert run_build(raw, out, "--sync").returncode == 0
    (out / "classes.json").write_text(content)
    assert any("classes.json" in problem for found in verify(out) for problem in found)


def test_verify_sees_a_missing_sidecar_and_a_wrong_total(raw, tmp_path):
    raw.add("one")
    out = tmp_path / "set"
    assert run_build(raw, out, "--sync").returncode == 0
    copy = shutil.copytree(out, tmp_path / "copy")
    (copy / "train-index.json").unlink()
    assert [problem for found in verify(copy) for problem in found] != []
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["totals"]["train"]["missing"] = 5
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        ShardError, match=r"1 used \+ 5 missing \+ 0 rejected of train are not the 1 annotated"
    ):
        list(verify(out))


def test_explain_names_the_two_labels(raw, tmp_path):
    raw.add("good")
    raw.add("double")
    raw.add("double", label="archery")
    out = tmp_path / "set"
    assert run_build(raw, out, "--sync").returncode == 0
    told = CliRunner().invoke(app, ["explain", str(out), "double_000000_000010"]).output
    assert "train.csv line" in told


@pytest.mark.parametrize(
    "name", ["../precious.tar", "/precious.tar", "train/../../precious.tar", "other/a.tar"]
)
def test_places_elsewhere_are_neither_moved_nor_deleted(dozen, reference, tmp_path, name):
    out = shutil.copytree(reference, tmp_path / "set")
    precious = tmp_path / "precious.tar"
    precious.write_bytes(b"mine")
    places = out / ".build/places.json"
    places.write_text(json.dumps(json.loads(places.read_text()) | {"0": name}))
    (out / ".build/done/000000.json").unlink()
    said = run_build(dozen, out, "--sync")
    assert said.returncode == 1
    assert f"names {name!r}, which is no shard of this set" in said.stderr
    assert precious.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["train", ".build/staging", ".build"])
def test_links_that_lead_out_of_a_set_are_refused(dozen, reference, tmp_path, name):
    """Whoever made the set could have files of others deleted by them."""
    out = shutil.copytree(reference, tmp_path / "set")
    outside = tmp_path / "outside"
    if (out / name).is_dir():
        shutil.move(out / name, outside)
    outside.mkdir(exist_ok=True)
    (outside / "000000.00000000.partial").write_bytes(b"mine")
    (out / name).symlink_to(outside)
    (out / ".build/done/000000.json").unlink()
    before = sorted(outside.rglob("*"))
    said = run_build(dozen, out, "--sync")
    assert said.returncode == 1
    assert f"{name} is a link to {outside}: nothing outside of {out} is moved or deleted" in said.stderr
    assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"shard": 1}, "it is of shard 1"),
        ({"split": "../train"}, "'../train' is no split"),
        ({"details": {"train-other": "x"}}, "'train-other' is none of its videos"),
        ({"suspects": {"KEY": "odd"}}, "'odd' is no suspicion"),
        ({"sha256": "x"}, "String should match pattern"),
        ({"size_bytes": -1}, "greater than or equal to 0"),
        ({"rejected": [{"key": "a", "reason": "odd", "detail": ""}]}, "'odd' is not a reason of a rejection"),
    ],
)
def test_a_damaged_done_file_is_named(reference, tmp_path, change, problem):
    out = shutil.copytree(reference, tmp_path / "set")
    path = out / ".build/done/000000.json"
    content = json.loads(path.read_text())
    key = content["rows"][0]["key"]
    content |= change | {"facts_sha256": ""}  # as release 0.1 wrote it
    path.write_text(json.dumps(content).replace("KEY", key))
    with pytest.raises(BuildError, match=rf"000000\.json is damaged \(.*{problem}.*\)\. Delete it and run"):
        read_status(out)


def test_no_flipped_bit_of_a_done_file_reaches_the_index(reference, tmp_path):
    out = shutil.copytree(reference, tmp_path / "set")
    path = out / ".build/done/000000.json"
    data = path.read_bytes()
    for at in range(0, len(data), 23):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 7]) + data[at + 1 :])
        with pytest.raises(BuildError, match=r"000000\.json is damaged \("):
            read_status(out)


def test_a_damaged_list_of_places_is_named(dozen, reference, tmp_path):
    out = shutil.copytree(reference, tmp_path / "set")
    (out / ".build/places.json").write_text("{")
    said = run_build(dozen, out, "--sync")
    assert said.returncode == 1
    assert "places.json is damaged" in said.stderr and "Traceback" not in said.stderr
