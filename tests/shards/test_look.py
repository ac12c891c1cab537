"""`ledger`, `explain` and `status` tell the truth about a set."""

import json
import shutil

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from tests.helpers.paths import RELEASE_0_1
from vidprep.builder.explain import explain
from vidprep.builder.progress.status import read_status
from vidprep.builder.workspace.log import read_log
from vidprep.cli.main import app
from vidprep.errors import BuildError, ShardError
from vidprep.shards.index import read_index
from vidprep.shards.ledger import read_ledger


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_ledger_adds_up(finished):
    words = [line.split() for line in run("ledger", finished).splitlines()]
    assert ["annotated", "6", "1"] in words
    assert ["used", "5", "1"] in words
    assert ["missing", "1", "0"] in words


def test_ledger_lists_and_exports(finished, tmp_path):
    assert "train-gone_000000_000010  yoga" in run("ledger", finished, "--list", "missing")
    run("ledger", finished, "--csv", tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 8
    wrong = CliRunner().invoke(app, ["ledger", str(finished), "--list", "lost"])
    assert wrong.exit_code == 2


def test_ledger_of_an_unfinished_set(tmp_path):
    with pytest.raises(ShardError, match=r"manifest.json is missing, which is written when a build ends"):
        read_ledger(tmp_path)
    (tmp_path / "index.parquet").touch()
    with pytest.raises(ShardError, match=r"No ledger in .*: a build writes it"):
        read_ledger(tmp_path)


def test_a_copy_without_its_build_folder_tells_what_the_set_tells(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy", ignore=shutil.ignore_patterns(".build"))
    there, here = read_status(finished), read_status(copy)
    assert here.state == "complete"
    for name in ("num_shards", "num_videos", "num_videos_done", "num_rejected", "num_missing", "num_suspect"):
        assert getattr(here, name) == getattr(there, name), name
    for key in ("train-gone_000000_000010", read_ledger(copy)["key"][0].as_py()):
        (story,), (whole,) = explain(copy, key), explain(finished, key)
        known = dict(whole)
        assert dict(story).keys() <= known.keys() and ("key", key) in story
        assert all(known[what] == value for what, value in story if what in ("status", "stored in", "seen"))


def test_explain_tells_the_whole_story(finished):
    row = read_index(finished).to_pylist()[1]
    for name in (row["key"], row["video_id"]):
        (story,) = explain(finished, name)
        told = dict(story)
        assert told["annotated as"] == "yoga (label 199, 398 in the full set)"
        assert told["stored in"] == f"{row['shard']}, sample 1"
        assert told["video bytes"] == (
            f"{row['mp4_size']:,} at {row['mp4_offset']:,}, crc32 {row['mp4_crc32']:08x}"
        )
        assert told["status"] == "used"
        assert "Video: h264" in told["seen"]
        assert any(value.startswith("transcoded by worker") for _, value in story)


def test_explain_a_missing_and_an_unknown_video(finished):
    (story,) = explain(finished, "gone_000000_000010")
    assert dict(story)["status"] == "missing"
    with pytest.raises(BuildError, match="has the key or id 'nobody'"):
        explain(finished, "nobody")


def test_status_of_a_finished_set(finished):
    state = json.loads(run("status", finished, "--json"))
    assert (state["state"], state["num_shards_done"], state["num_videos_done"]) == ("complete", 4, 6)
    assert (state["num_missing"], state["num_rejected"], state["eta_seconds"]) == (1, 0, None)
    assert "complete" in run("status", finished)


def test_status_after_a_crash(shard_set):
    (shard_set / "manifest.json").unlink()
    (shard_set / "train" / "mini_k400-train-000001.tar").unlink()
    state = read_status(shard_set)
    assert (state.state, state.num_shards_done, state.num_videos_done) == ("stopped", 3, 4)
    assert "Run the same build again to go on" in run("status", shard_set)


def test_lines_of_the_log_that_cannot_be_read_are_said(shard_set):
    path = shard_set / ".build" / "log.jsonl"
    lines = path.read_text().splitlines()
    key = next(event["key"] for line in lines if (event := json.loads(line))["event"] == "video")
    lines[1:3] = [
        lines[1].replace('"event": "', '"event": "x'),
        lines[2].replace('"shard": ', '"shard": -1'),
        "{",
    ]
    path.write_text("\n".join([*lines, '{"time": "20']))
    said = run("status", shard_set)
    assert "log.jsonl holds lines that cannot be read (line 2: event 'x" in said
    assert "line 3: shard: Input should be greater than or equal to 0; line 4: " in said
    assert "; and 1 more): their events are left out." in said
    with FileLock(shard_set / ".build" / "lock"):
        assert "and 1 more" not in read_status(shard_set).log_problem  # somebody is writing it
    story = dict(explain(shard_set, key)[0])
    assert "maybe more than these" in story["attempts"]


def test_the_log_of_release_0_1_is_read():
    assert read_status(RELEASE_0_1 / "shards").log_problem is None
    assert len(read_log(RELEASE_0_1 / "shards")) == 32


def test_status_without_a_build(tmp_path):
    with pytest.raises(BuildError, match="No build in"):
        read_status(tmp_path)
