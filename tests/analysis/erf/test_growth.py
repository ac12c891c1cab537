"""`vidprep erf --run`: networks that look at one frame at first and at more later."""

import io
import json

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from tests.helpers.runs.known_runs import run_of_taps, small_net, temporal_kernels, write_run
from vidprep.analysis.growth_figures import erf_growth_figure
from vidprep.cli.display import StepProgress
from vidprep.cli.main import app
from vidprep.errors import CheckpointError

SMALL = ("--frames", 8, "--size", 32, "--draws", 2)
TINY = ("--frames", 2, "--size", 32, "--draws", 1)
# Epoch: taps. The neuron is on frame 4.
TAPS = {0: [0, 1, 0], 2: [0.1, 1, 0], 4: [0.3, 1, 0.3], 6: [1, 1, 1]}


def run(*words):
    return CliRunner().invoke(app, ["erf", *map(str, words)], catch_exceptions=False)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    root = tmp_path_factory.mktemp("grown")
    made = run_of_taps(root / "made", TAPS)
    assert run("--run", made, "--out", root / "out", *SMALL).exit_code == 0
    return root / "out"


@pytest.fixture(scope="module")
def epochs(grown):
    return json.loads((grown / "growth.json").read_text())["epochs"]


def test_fields_of_every_epoch(epochs):
    assert [each["epoch"] for each in epochs] == list(TAPS)
    centre, past, both, full = epochs
    assert centre["energy_per_frame"] == [0, 0, 0, 0, 1, 0, 0, 0]
    assert (centre["sigma_frames"], centre["frames_above"]) == (0, 1)
    assert past["energy_per_frame"][5:] == [0, 0, 0] and past["energy_per_frame"][3] > 0
    assert past["mean_frame"] < 4
    assert both["energy_per_frame"][5] > 0
    sigmas = [each["sigma_frames"] for each in epochs]
    assert sigmas == sorted(sigmas) and full["sigma_frames"] > 1
    for each in epochs:
        low, high = each["extent_frames"]
        assert high - low == pytest.approx(4 * each["sigma_frames"])


def test_files_of_a_run(grown):
    names = "erf.json frames.png frames-2.png growth.json growth.png slice.png space.png time.png epochs"
    assert sorted(path.name for path in grown.iterdir()) == sorted(names.split())
    fields = sorted(path.name for path in (grown / "epochs").iterdir())
    assert fields == ["epoch-0000.npz", "epoch-0002.npz", "epoch-0004.npz", "epoch-0006.npz"]
    facts = json.loads((grown / "erf.json").read_text())
    assert facts["epoch"] == 6 and facts["versus"][0]["epoch"] == 0
    assert np.load(grown / "epochs" / "epoch-0000.npz")["erf"].shape == (3, 8, 32, 32)


def test_figure_draws_profiles_extent_sigma_and_frames(epochs):
    figure = erf_growth_figure(list(TAPS), epochs, "a title")
    assert figure.get_figwidth() == 3.3
    top, middle, bottom = figure.axes[:3]
    shown = top.collections[0].get_array()
    np.testing.assert_allclose(shown.T, [100 * np.array(each["energy_per_frame"]) for each in epochs])
    assert top.collections[0].get_coordinates()[0, :, 0].tolist() == [-1, 1, 3, 5, 7]
    extents = [line.get_ydata() for line in top.lines]
    np.testing.assert_allclose(np.transpose(extents), [each["extent_frames"] for each in epochs])
    assert list(middle.lines[0].get_ydata()) == [each["sigma_frames"] for each in epochs]
    assert list(bottom.lines[0].get_ydata()) == [each["frames_above"] for each in epochs]
    assert list(bottom.lines[0].get_xdata()) == list(TAPS)
    assert (top.get_ylabel(), middle.get_ylabel(), bottom.get_xlabel()) == (
        "frame",
        "sigma (frames)",
        "epoch",
    )


@pytest.fixture
def short_run(tmp_path):
    return run_of_taps(tmp_path / "made", {epoch: [1, 1, 1] for epoch in range(5)})


def field_times(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "epochs").iterdir()}


def test_every_takes_the_first_each_nth_and_the_last(short_run, tmp_path):
    for every, expected in ((3, [0, 3, 4]), (9, [0, 4])):
        run("--run", short_run, "--out", tmp_path / str(every), "--every", every, *TINY)
        growth = json.loads((tmp_path / str(every) / "growth.json").read_text())
        assert [each["epoch"] for each in growth["epochs"]] == expected


def test_finished_epochs_are_found_again(short_run, tmp_path):
    out = tmp_path / "out"
    run("--run", short_run, "--out", out, "--every", 2, *TINY)
    before = field_times(out)
    (out / "epochs" / "epoch-0002.npz").unlink()  # as if stopped before it
    run("--run", short_run, "--out", out, *TINY)
    after = field_times(out)
    assert len(after) == 5
    assert {name for name in before if after[name] == before[name]} == {"epoch-0000.npz", "epoch-0004.npz"}


def test_other_settings_or_weights_are_measured_anew(short_run, tmp_path):
    out = tmp_path / "out"
    run("--run", short_run, "--out", out, "--every", 4, *TINY)
    before = field_times(out)
    net = small_net(seed=1)
    write_run(tmp_path / "other", {4: net})
    (tmp_path / "other/checkpoints/epoch-0004.pt").replace(short_run / "checkpoints/epoch-0004.pt")
    run("--run", short_run, "--out", out, "--every", 4, *TINY)
    changed = field_times(out)
    assert [changed[name] > before[name] for name in sorted(before)] == [False, True]
    run("--run", short_run, "--out", out, "--every", 4, "--seed", 1, *TINY)
    assert all(time > changed[name] for name, time in field_times(out).items())


def test_a_network_before_training_alone(tmp_path):
    made = run_of_taps(tmp_path / "made", {0: [0, 1, 0]})
    assert run("--run", made, "--out", tmp_path / "out", *TINY).exit_code == 0
    assert json.loads((tmp_path / "out" / "erf.json").read_text())["versus"] == []


def test_a_diverged_checkpoint_is_named(tmp_path):
    net = small_net()
    temporal_kernels(net)[0].data[:] = torch.nan
    made = write_run(tmp_path / "made", {0: small_net(), 1: net})
    with pytest.raises(CheckpointError, match=r"epoch-0001\.pt: the effective receptive field is not finite"):
        run("--run", made, "--out", tmp_path / "out", *TINY)


def test_every_without_a_run_is_a_usage_error(tmp_path):
    done = run("--checkpoint", "a.pt", "--every", 2, "--out", tmp_path)
    assert done.exit_code == 2
    assert "--every" in done.output


def test_progress_counts_what_an_earlier_run_made_but_not_in_its_rate(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    text = io.StringIO()
    with StepProgress(40, "draws", Console(file=text, width=200)) as progress:
        now[0] += 30
        progress.step(21, "epoch 5, draw 1 of 10")
        now[0] += 5
        progress.step(22, "epoch 5, draw 2 of 10")  # too soon for a line
        now[0] += 1
        progress.step(40, "epoch 10, draw 10 of 10")
    assert text.getvalue().splitlines() == [
        "epoch 5, draw 1 of 10: 21 / 40 draws, 2.0 draws/min, ETA 9 min 30 s",
        "epoch 10, draw 10 of 10: 40 / 40 draws, 5.0 draws/min, in 36 s",
    ]
