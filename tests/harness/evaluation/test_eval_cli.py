"""`vidprep eval` as a person meets it."""

import resource
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from tests.helpers.runs.small_evaluation import command, environment
from vidprep.cli.display import EvalProgress
from vidprep.cli.main import app
from vidprep.errors import CheckpointError, HarnessError
from vidprep.harness.evaluation.results import read_results, write_results
from vidprep.model import i3d_resnet


def run(shards, network, out_dir, *words):
    words = ("eval", "--shards", shards, "--checkpoint", network, "--out", out_dir, "--workers", 0, *words)
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_prints_a_table(shards, network, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    done = run(shards, network, tmp_path / "out", "--views", "1x2")
    assert done.exit_code == 0
    assert "validation: crops x clips = 1 x 2, 8 frames each, dense" in done.output
    results = read_results(tmp_path / "out")
    rows = {line.strip().split("  ")[0]: line for line in done.output.splitlines()}
    low, high = results.interval.top1
    assert f"{results.top1:.2%}" in rows["sum of logits"]
    assert f"{low:.2%} to {high:.2%}" in rows["sum of logits"]
    assert f"{results.centre_view.top5:.2%}" in rows["centre view"]
    assert f"{results.softmax_sum.top1:.2%}" in rows["sum of softmax"]
    assert f"{results.mean_per_class:.2%}" in rows["mean per class"]
    assert all(word in rows["chance"] for word in ("16.67%", "6 classes", "83.33%"))
    assert rows["videos scored"].split() == ["videos", "scored", "7", "of", "7", "stored"]
    assert (results.views.num_crops, results.views.num_clips) == (1, 2)
    assert "7 / 7 videos" in done.stderr


@pytest.mark.parametrize("views", ["3", "3x", "x10", "3*10", "threex10"])
def test_views_of_another_form(shards, network, tmp_path, views):
    done = run(shards, network, tmp_path, "--views", views)
    assert done.exit_code == 2
    assert "is not of the form CROPSxCLIPS" in done.output


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_asked_for_and_absent(shards, network, tmp_path):
    with pytest.raises(HarnessError, match=r"--device cuda was asked for, but .* sees no GPU"):
        run(shards, network, tmp_path, "--device", "cuda")


def test_an_earlier_evaluation_is_printed_beside_it(shards, network, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    run(shards, network, tmp_path / "few", "--views", "1x2")
    done = run(shards, network, tmp_path / "many", "--views", "3x2", "--versus", tmp_path / "few")
    (row,) = (line for line in done.output.splitlines() if "versus few (other views!)" in line)
    assert f"{read_results(tmp_path / 'few').top1:.2%}" in row
    with pytest.raises(HarnessError, match=r"No folder .*none\. Evaluate first"):
        run(shards, network, tmp_path / "more", "--versus", tmp_path / "none")


def test_earlier_evaluations_of_one_name_and_incomplete_ones(shards, network, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    run(shards, network, tmp_path / "a" / "x")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    results = read_results(tmp_path / "b" / "x")
    seen = results.coverage.model_copy(update={"scored": 1, "unscored": results.coverage.stored - 1})
    write_results(results.model_copy(update={"coverage": seen}), tmp_path / "b" / "x")
    both = ["--versus", tmp_path / "a" / "x", "--versus", tmp_path / "b" / "x"]
    output = run(shards, network, tmp_path / "new", *both).output
    assert f"versus {tmp_path}/a/x  " in output
    assert f"versus {tmp_path}/b/x (only 1 of {seen.stored} videos!)" in output


def test_unknown_protocol_is_a_usage_error(shards, network, tmp_path):
    assert run(shards, network, tmp_path, "--protocol", "mpi").exit_code == 2


@pytest.mark.slow
def test_out_of_memory_names_the_setting(shards, network, tmp_path):
    def little_memory():
        resource.setrlimit(resource.RLIMIT_AS, (5 << 30, 5 << 30))

    words = ("--shards", shards, "--checkpoint", network, "--out", tmp_path / "out", "--workers", 0)
    long_clips = ("--set", "eval_views.clip_len=4000", "--micro-batch", 9)
    done = subprocess.run(
        command(*words, *long_clips),
        env=environment(),
        preexec_fn=little_memory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Error: Out of memory on cpu with 9 views at a time. Lower --micro-batch" in done.stderr


def test_progress_in_plain_lines(capsys):
    progress = EvalProgress(3, Console(no_color=True, width=200))
    with progress:
        assert progress.line() == "Reading the checkpoint and the shards."
        progress.update(1, 40)
        assert "1 / 40 videos of rank 0 of 3, " in progress.line()
        assert "ETA" in progress.line()
        progress.update(40, 40)
    assert "40 / 40 videos of rank 0 of 3" in capsys.readouterr().out.splitlines()[-1]
    assert " in " in progress.line()


def test_a_network_cut_to_the_centre_tap_scores_frames_and_not_their_order(shards, network, tmp_path):
    done = run(shards, network, tmp_path / "cut", "--views", "1x1", "--centre-tap")
    assert "cut to the centre tap, blind to motion" in " ".join(done.output.split())
    run(shards, network, tmp_path / "whole", "--views", "1x1")
    cut, whole = (pq.read_table(tmp_path / name / "predictions.parquet") for name in ("cut", "whole"))
    assert read_results(tmp_path / "cut").centre_tap and not read_results(tmp_path / "whole").centre_tap
    assert cut["logit_sum"] != whole["logit_sum"]
    with pytest.raises(HarnessError, match="centre_tap"):
        run(shards, network, tmp_path / "cut", "--views", "1x1")


def test_a_network_of_one_tap_has_nothing_to_cut(shards, tmp_path):
    net = i3d_resnet(18, 6, width=2, temporal_taps=1)
    torch.save(net.state_dict(), tmp_path / "blind.pt")
    with pytest.raises(CheckpointError, match="only one temporal tap: there is nothing to cut"):
        run(shards, tmp_path / "blind.pt", tmp_path / "out", "--centre-tap", "--views", "1x1")
