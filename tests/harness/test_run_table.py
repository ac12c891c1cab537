"""Several runs side by side."""

import json

import pytest
import tomli_w
from filelock import FileLock

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.runs.tiny import options, run
from vidprep.errors import HarnessError
from vidprep.harness.run_table import differing_settings, summarise_runs

FACTS = json.loads((RELEASE_0_1 / "run/run.json").read_text())


def made_run(path, *, lr=0.01, seed=0, epoch=2.0, epochs=2, validated=()):
    path.mkdir(parents=True)
    stages = {"train_clip": {"clip_len": 8}, "model": {"depth": 18}}
    stages["optimisation"] = {"lr": lr, "epochs": epochs}
    (path / "recipe.toml").write_text(tomli_w.dumps(stages))
    (path / "run.json").write_text(json.dumps(FACTS | {"seed": seed}))
    lines = [{"step": 5, "epoch": epoch, "loss": 1.5}]
    lines += [
        {"step": 5 + n, "epoch": n, "validation_top1": top1} for n, top1 in enumerate(validated, start=1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def runs(tmp_path):
    made_run(tmp_path / "a", validated=(0.25, 0.5, 0.375))
    made_run(tmp_path / "b", lr=0.1, epoch=1.5)
    made_run(tmp_path / "deep" / "c", seed=3)
    (tmp_path / "deep" / "c" / "recipe.toml").write_text("[")
    return tmp_path


def test_state_best_and_last(runs):
    a, b, c = summarise_runs(runs)
    assert (a.state, a.best, a.last, a.loss) == ("finished", (0.5, 2), 0.375, 1.5)
    assert (b.state, b.epoch, b.epochs, b.best) == ("stopped", 1.5, 2, None)
    assert c.state.startswith("damaged: TOMLDecodeError")
    assert differing_settings([a, b, c]) == ["optimisation.lr"]


def test_a_run_at_work_holds_its_lock(runs):
    with FileLock(runs / "b" / "lock"):
        assert [one.state for one in summarise_runs(runs)[:2]] == ["finished", "running"]
    assert summarise_runs(runs)[1].state == "stopped"
    assert not (runs / "a" / "lock").exists()  # looking leaves nothing behind


def test_the_command(runs):
    said = run("runs", runs)
    assert "finished" in said and "50.00% (epoch 2)" in said
    assert "optimisation.lr" in said and "damaged" in said


def test_a_line_that_was_cut_short_is_said_of_a_run_that_is_not_at_work(runs):
    with (runs / "a" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "lo')
    assert "finished (metrics.jsonl, line 5, was cut short and is left out)" in run("runs", runs)
    with FileLock(runs / "a" / "lock"):
        assert summarise_runs(runs)[0].torn is None  # it is being written


def test_no_runs(tmp_path):
    with pytest.raises(HarnessError, match="No run below"):
        summarise_runs(tmp_path)


def test_names_and_notes_are_kept_from_start_to_start(tiny_shards, tmp_path):
    words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", "--workers", 0, "--logger", "csv"]
    run(*words, *options(optimisation__epochs=1), "--name", "first try", "--note", "a small one")
    run(*words, *options(optimisation__epochs=1), "--resume", "--note", "the small one")
    (found,) = summarise_runs(tmp_path)
    assert (found.name, found.note) == ("first try", "the small one")
    table = run("runs", tmp_path)
    assert "first try" in table and "the small one" in table
    assert (tmp_path / "run/metrics.csv").is_file() and not (tmp_path / "run/tensorboard").exists()
