"""The training loop as its users run it."""

import json
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.helpers.runs.tiny import losses, options, run, start, write_tiny_shards
from vidprep.harness.run_folder import epoch_checkpoints, read_facts, read_metrics, step_checkpoints
from vidprep.harness.training.setup import sgd
from vidprep.model import build_model
from vidprep.model.weight_files import read_checkpoint
from vidprep.recipes.pipelines import override_recipe
from vidprep.recipes.recipe import DatasetStage, Recipe

STEPS = 9  # 24 videos in batches of 8, 3 epochs


def train(
    shards: Path, run_dir: Path, *more: object, num_ranks: int = 1, expect: int = 0, **changes: object
) -> str:
    words = ["train", "--shards", shards, "--out", run_dir, "--log-every", 1, "--workers", 1]
    return run(*words, *options(**changes), *more, num_ranks=num_ranks, expect=expect)


@pytest.fixture(scope="module")
def whole(tiny_shards, tmp_path_factory) -> Path:
    """A run that nothing interrupted, on one process."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    train(tiny_shards, run_dir, "--keep-last", 1, "--keep-every", 2)
    return run_dir


def test_what_a_run_leaves(whole, tiny_shards):
    lines = read_metrics(whole)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert lines[-1]["epoch"] == 3.0 and lines[0]["lr"] == 0.002 and 0 < lines[-1]["lr"] < 0.0005
    assert all(0 <= line["data_wait"] <= 1 and line["clips_per_second"] > 0 for line in lines)
    assert list(epoch_checkpoints(whole)) == [0, 2, 3] and not step_checkpoints(whole)
    assert tomllib.loads((whole / "recipe.toml").read_text())["optimisation"]["batch_size"] == 8
    facts = read_facts(whole)
    assert facts["steps_per_epoch"] == 3 and facts["shards"] == str(tiny_shards)
    assert len(facts["starts"]) == 1 and facts["starts"][0]["environment"]["torch"] == torch.__version__
    last = read_checkpoint(epoch_checkpoints(whole)[3])
    assert last["position"] == {"epoch": 3, "step": 0, "total_steps": STEPS}
    assert len(last["classes"]) == 4 and last["class_list_hash"] == facts["class_list_hash"]
    assert any((whole / "tensorboard").iterdir())


def test_the_first_loss_is_that_of_guessing(whole):
    assert losses(whole)[0] == pytest.approx(np.log(4), abs=0.15)


@pytest.mark.parametrize(
    ("num_ranks", "more"),
    [(2, ["--micro-batch", 2]), (4, ["--micro-batch", 1])],
)
@pytest.mark.slow
def test_several_processes_and_passes_give_the_curve_of_one(tiny_shards, tmp_path, num_ranks, more):
    """Dropout included; statistics of batch norm are those of a pass, over all ranks: 4 clips here."""
    train(tiny_shards, tmp_path / "one", "--micro-batch", 4)
    train(tiny_shards, tmp_path / "several", *more, num_ranks=num_ranks)
    np.testing.assert_allclose(losses(tmp_path / "several"), losses(tmp_path / "one"), rtol=1e-4)


@pytest.mark.parametrize("num_ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_give_the_curve_of_the_whole_batch(whole, tiny_shards, tmp_path, num_ranks):
    train(tiny_shards, tmp_path / "several", num_ranks=num_ranks)
    np.testing.assert_allclose(losses(tmp_path / "several"), losses(whole), rtol=1e-4)


def interrupt(
    shards: Path, run_dir: Path, number: signal.Signals, after: int, *more: object
) -> tuple[int, str]:
    """Train, send a signal once `after` steps are logged, and return the exit code and what was said."""
    words = ["train", "--shards", shards, "--out", run_dir, "--log-every", 1, "--workers", 1]
    process = start(*words, *options(), *more)
    while process.poll() is None and len(read_metrics(run_dir)) < after:
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=240)[0]
    return process.returncode, said


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGUSR1, signal.SIGINT))],
)
def test_a_stopped_run_goes_on_to_the_very_same_end(whole, tiny_shards, tmp_path, number):
    code, said = interrupt(tiny_shards, tmp_path / "run", number, 4)
    assert code == 128 + number and "Traceback" not in said
    assert f"Stopped by {number.name} after" in said and "--resume goes on from there" in said
    assert len(read_metrics(tmp_path / "run")) < STEPS
    said = train(tiny_shards, tmp_path / "run", "--resume")
    assert "Going on from" in said
    assert_same_end(tmp_path / "run", whole)
    assert len(read_facts(tmp_path / "run")["starts"]) == 2


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_end(whole, tiny_shards, tmp_path):
    code, _ = interrupt(tiny_shards, tmp_path / "run", signal.SIGKILL, 5)
    assert code == -signal.SIGKILL
    train(tiny_shards, tmp_path / "run", "--resume")
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.slow
def test_checkpoints_within_an_epoch_resume_on_another_number_of_processes(whole, tiny_shards, tmp_path):
    every_step = ["--checkpoint-minutes", 0, "--keep-last", 100]
    train(tiny_shards, tmp_path / "run", *every_step)
    steps = step_checkpoints(tmp_path / "run")
    assert list(steps) == [1, 2, 4, 5, 7, 8]
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        if path.name not in ("epoch-0000.pt", "epoch-0001.pt", steps[4].name):
            path.unlink()
    train(tiny_shards, tmp_path / "run", "--resume", num_ranks=2)
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(whole), rtol=1e-4)
    assert [line["step"] for line in read_metrics(tmp_path / "run")] == list(range(1, STEPS + 1))


def assert_same_end(run_dir: Path, whole: Path) -> None:
    assert losses(run_dir).tolist() == losses(whole).tolist(), "to the bit"
    ends = [read_checkpoint(epoch_checkpoints(path)[3])["model"] for path in (run_dir, whole)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])


def test_lines_of_metrics_over_several_steps_survive_a_stop(tiny_shards, tmp_path):
    more = ["--log-every", 3, "--checkpoint-minutes", 0, "--keep-last", 100]
    train(tiny_shards, tmp_path / "run", *more)
    once = losses(tmp_path / "run").tolist()
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        if path.name not in ("epoch-0000.pt", "step-00000005.pt"):
            path.unlink()
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1')
    said = train(tiny_shards, tmp_path / "run", "--resume", *more)
    assert "metrics.jsonl, line 4, was cut short and is left out. Curves lack it" in said
    assert losses(tmp_path / "run").tolist() == once and len(once) == 3


def test_half_a_checkpoint_is_never_picked(whole, tiny_shards, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    last = epoch_checkpoints(tmp_path / "run")[3]
    last.write_bytes(last.read_bytes()[:5000])
    (last.parent / "epoch-0004.pt.77.partial").write_bytes(b"PK")
    said = train(tiny_shards, tmp_path / "run", "--resume")
    assert "epoch-0003.pt" in said and "The one before it is used" in said and "epoch-0002.pt" in said
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.slow
def test_sixteen_clips_are_learned_by_heart(tmp_path):
    shards = write_tiny_shards(tmp_path / "shards", tmp_path, train=16, validation=4)
    changes = {
        "optimisation__epochs": 50,
        "optimisation__batch_size": 16,
        "model__width": 8,
        "model__dropout": 0.0,
    }
    train(shards, tmp_path / "run", "--set", "optimisation.lr=0.05", **changes)
    top1 = [line["top1"] for line in read_metrics(tmp_path / "run")]
    assert len(top1) == 50 and top1[-1] == 1.0 and top1[0] < 0.8


def test_sgd_is_the_formula_in_float64():
    recipe = override_recipe(
        Recipe(name="tiny", title="Tiny", dataset=DatasetStage(name="ssv2")), options()[1::2], origin="tiny"
    )
    stage = recipe.optimisation
    torch.manual_seed(0)
    net = build_model(recipe.model, 4).double().eval()
    weights = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    velocity: dict[str, torch.Tensor] = {}
    optimiser = sgd(net, stage, torch.device("cpu"))
    for step in range(5):
        clips = torch.randn(3, 3, 4, 32, 32, dtype=torch.float64)
        labels = torch.tensor([0, 1, step % 4])
        optimiser.zero_grad()
        cross_entropy(net(clips), labels).backward()
        optimiser.step()
        loss = cross_entropy(torch.func.functional_call(net, weights, clips), labels)
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for (name, weight), gradient in zip(list(weights.items()), gradients, strict=True):
            decayed = gradient + 5e-4 * weight.detach()
            velocity[name] = decayed if step == 0 else 0.9 * velocity[name] + decayed
            weights[name] = (weight.detach() - 0.002 * velocity[name]).requires_grad_()
    for name, weight in net.named_parameters():
        assert torch.allclose(weight, weights[name], rtol=1e-12, atol=1e-14), name


def test_a_learning_rate_for_another_batch_is_said_aloud(tiny_shards, tmp_path):
    words = ["train", "--shards", tiny_shards, "--workers", 1, "--log-every", 1]
    kept = [word for word in options()[1::2] if "optimisation.lr" not in word and "epochs" not in word]
    said = run(
        *words,
        "--out",
        tmp_path / "run",
        *(w for k in kept for w in ("--set", k)),
        "--set",
        "optimisation.epochs=1",
        "--log-every",
        1,
    )
    assert "Learning rate 0.01 x 8/32 = 0.0025" in said
    assert read_metrics(tmp_path / "run")[0]["lr"] == pytest.approx(0.0025)
    assert tomllib.loads((tmp_path / "run/recipe.toml").read_text())["optimisation"]["lr"] == 0.0025


def test_initial_weights_are_told_and_a_classifier_of_other_classes_is_drawn_anew(
    whole, tiny_shards, tmp_path
):
    said = train(tiny_shards, tmp_path / "a", "--init", epoch_checkpoints(whole)[3], optimisation__epochs=1)
    assert "epoch-0003.pt (vidprep form): 122 tensors loaded." in said
    content = read_checkpoint(epoch_checkpoints(whole)[3])
    content["classes"] = ["others", *content["classes"][1:]]
    torch.save(content, tmp_path / "other.pt")
    said = train(tiny_shards, tmp_path / "b", "--init", tmp_path / "other.pt", optimisation__epochs=1)
    assert "Its classifier is for other classes and was drawn anew" in said
    assert losses(tmp_path / "b")[0] != losses(tmp_path / "a")[0]


def test_initial_weights_that_name_no_classes_are_warned_about(whole, tiny_shards, tmp_path):
    torch.save(read_checkpoint(epoch_checkpoints(whole)[3])["model"], tmp_path / "plain.pt")
    said = train(tiny_shards, tmp_path / "a", "--init", tmp_path / "plain.pt", optimisation__epochs=1)
    assert "does not say which classes it was trained on" in " ".join(said.split())


def test_run_json_counts_every_video(tiny_shards, tmp_path):
    train(tiny_shards, tmp_path / "a", optimisation__epochs=1, optimisation__batch_size=7)
    assert read_facts(tmp_path / "a")["num_videos"] == 24  # 3 steps of 7 see 21 of them


@pytest.mark.slow
def test_torchrun_starts_it(whole, tiny_shards, tmp_path):
    program = Path(sys.executable).with_name("torchrun")
    words = ["-m", "vidprep", "train", "--workers", "1", "--log-every", "1"]
    command = [
        program,
        "--standalone",
        "--nproc-per-node=2",
        *words,
        "--shards",
        tiny_shards,
        "--out",
        tmp_path / "run",
        *options(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(whole), rtol=1e-4)
    assert json.loads((tmp_path / "run/run.json").read_text())["starts"][0]["environment"]["num_ranks"] == 2
