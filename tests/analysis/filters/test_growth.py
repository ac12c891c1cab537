"""`vidprep filters --run`: runs whose filters are known at every epoch."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from tests.analysis.filters.test_measure import random_kernel, separable, weight_file
from tests.helpers.runs.known_runs import run_of_taps, small_net, temporal_kernels, write_run
from vidprep.analysis.filters.growth import with_movement
from vidprep.analysis.filters.measure import filter_table
from vidprep.analysis.growth_figures import cell_edges, filter_growth_figure
from vidprep.cli.main import app
from vidprep.errors import CheckpointError, HarnessError

# Epoch: taps, squared coordinates on the three axes, degrees from [1, 1, 1].
KNOWN = {
    0: ([1, 1, 1], (1, 0, 0), 0),
    5: ([1, 2, 1], (8 / 9, 0, 1 / 9), 19.4712),
    10: ([1, 0, 0], (1 / 3, 1 / 2, 1 / 6), 54.7356),
    20: ([-1, 0, 1], (0, 1, 0), 90),
}
SQUARES = ["mean_squared_average", "mean_squared_first", "mean_squared_second"]


def run(*words):
    return CliRunner().invoke(app, ["filters", *map(str, words)], catch_exceptions=False)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """The results of a run of known taps."""
    root = tmp_path_factory.mktemp("grown")
    made = run_of_taps(root / "made", {epoch: taps for epoch, (taps, _, _) in KNOWN.items()})
    assert run("--run", made, "--out", root / "out").exit_code == 0
    return root / "out"


def test_coordinates_of_every_epoch_layer_and_stage(grown):
    rows = pd.read_parquet(grown / "growth.parquet")
    parts = rows.groupby("part").size() / len(KNOWN)
    assert parts.to_dict() == {"all": 1, "stage": 5, "layer": 17}  # conv1, two in each of eight blocks
    for epoch, (_, squares, degrees) in KNOWN.items():
        of_epoch = rows[rows["epoch"] == epoch]
        assert len(of_epoch) == 23
        np.testing.assert_allclose(of_epoch[SQUARES], np.tile(squares, (23, 1)), atol=1e-5)
        np.testing.assert_allclose(of_epoch["median_angle_degrees"], degrees, atol=0.05)
        np.testing.assert_allclose(of_epoch["median_moved_degrees"], degrees, atol=0.05)
        np.testing.assert_allclose(of_epoch["mean_share"], 1, atol=1e-5)
    assert (rows[rows["epoch"] == 10]["tap_centre"] == -1).all()
    assert rows[rows["part"] == "all"]["num_filters"].tolist() == [122] * 4


def test_growth_json_says_the_same(grown):
    growth = json.loads((grown / "growth.json").read_text())
    assert [each["epoch"] for each in growth["epochs"]] == list(KNOWN)
    assert growth["epochs"][1]["checkpoint"].endswith("made/checkpoints/epoch-0005.pt")
    shares = [each["all"]["mean_squared"]["average"] for each in growth["epochs"]]
    assert shares == pytest.approx([1, 8 / 9, 1 / 3, 0], abs=1e-5)
    assert [stage["stage"] for stage in growth["epochs"][0]["stages"]][:2] == ["conv1", "layer1"]


def test_the_last_epoch_versus_the_first(grown):
    summary = json.loads((grown / "summary.json").read_text())
    assert summary["checkpoint"].endswith("epoch-0020.pt")
    assert summary["versus"]["checkpoint"].endswith("epoch-0000.pt")
    names = {path.name for path in grown.iterdir()}
    assert {"growth.png", "versus.png", "sphere.png", "stages.png"} <= names
    last, first = (pd.read_parquet(grown / f"filters{ending}.parquet") for ending in ("", "-versus"))
    np.testing.assert_allclose(last["moved_degrees"], 90, atol=0.05)
    np.testing.assert_allclose(first["moved_degrees"], 0, atol=1e-4)


def test_figure_draws_the_squares_of_all_layers_and_each_stage(grown):
    figure = filter_growth_figure(pd.read_parquet(grown / "growth.parquet"), "a title")
    assert figure.get_figwidth() == 3.3
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["all layers", "conv1", "layer1", "layer2", "layer3", "layer4"]
    for axes in figure.axes:
        lines = {line.get_label(): line for line in axes.lines}
        for number, name in enumerate(("average", "1st differential", "2nd differential")):
            assert list(lines[name].get_xdata()) == list(KNOWN)
            expected = [squares[number] for _, squares, _ in KNOWN.values()]
            np.testing.assert_allclose(lines[name].get_ydata(), expected, atol=1e-5)
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * 4 + ["epoch"] * 2


@pytest.mark.slow
def test_pairs(tmp_path):
    made = run_of_taps(tmp_path / "made", {0: [0, 1, 0], 1: [1, 1, 1]})
    run("--run", made, "--out", tmp_path / "out", "--matrix", "pair")
    rows = pd.read_parquet(tmp_path / "out" / "growth.parquet")
    everything = rows[rows["part"] == "all"]
    np.testing.assert_allclose(everything["median_moved_degrees"], [0, 54.7356], atol=1e-3)
    assert (everything["num_filters"] > 1000).all()


def test_a_run_before_its_first_epoch_has_nothing_to_compare(tmp_path):
    made = run_of_taps(tmp_path / "made", {0: [1, 1, 1]})
    assert run("--run", made, "--out", tmp_path / "out").exit_code == 0
    assert not (tmp_path / "out" / "versus.png").exists()
    assert (tmp_path / "out" / "growth.png").exists()


@pytest.mark.slow
def test_a_network_of_zeros_is_counted_at_every_epoch(tmp_path):
    made = run_of_taps(tmp_path / "made", {0: [0, 0, 0], 1: [0, 0, 0]})
    assert run("--run", made, "--out", tmp_path / "out").exit_code == 0
    rows = pd.read_parquet(tmp_path / "out" / "growth.parquet")
    assert (rows["num_zero"] == rows["num_filters"]).all()


def test_movement_is_that_of_each_filter():
    first = torch.cat([separable([1, 1, 1], 1), separable([0, 1, 0], 1), separable([0, 0, 1], 1)])
    now = torch.cat([-5 * separable([1, 1, 1], 1), separable([1, 1, 1], 1), separable([-1, 0, 1], 1)])
    tables = [filter_table(weight_file(conv1=kernel)) for kernel in (now, first)]
    moved = with_movement(*tables, "made.pt")["moved_degrees"]
    np.testing.assert_allclose(moved, [0, 54.7356, 45], atol=1e-4)


def test_filters_that_were_zero_have_not_moved():
    first, now = random_kernel(3, 2, 3, 3, 3), random_kernel(3, 2, 3, 3, 3)
    first[0] = now[2] = 0
    tables = [filter_table(weight_file(conv1=kernel)) for kernel in (now, first)]
    moved = with_movement(*tables, "made.pt")
    assert moved["channel"].tolist() == [0, 1]
    assert np.isnan(moved["moved_degrees"][0])
    assert moved["moved_degrees"][1] == pytest.approx(0, abs=1e-4)


def test_cells_end_between_epochs():
    assert cell_edges([0, 5, 20]).tolist() == [-2.5, 2.5, 12.5, 27.5]
    assert cell_edges([3]).tolist() == [2.5, 3.5]


def test_a_run_of_two_networks_is_refused(tmp_path):
    made = write_run(tmp_path / "made", {0: small_net()})
    torch.save({"conv1.weight": torch.ones(4, 3, 3, 7, 7)}, made / "checkpoints" / "epoch-0001.pt")
    with pytest.raises(CheckpointError, match=r"epoch-0001\.pt: its 1 layers with three taps are not the 17"):
        run("--run", made, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_nan_is_named(tmp_path):
    net = small_net()
    temporal_kernels(net)[0].data[0] = torch.nan
    made = write_run(tmp_path / "made", {0: small_net(), 1: net})
    with pytest.raises(CheckpointError, match=r"epoch-0001\.pt: 'conv1' holds weights that are not finite"):
        run("--run", made, "--out", tmp_path / "out")


@pytest.mark.parametrize("command", ["filters", "erf"])
def test_folders_that_are_no_run(command, tmp_path):
    def attempt(folder):
        words = [command, "--run", str(folder), "--out", str(tmp_path / "out")]
        return CliRunner().invoke(app, words, catch_exceptions=False)

    with pytest.raises(HarnessError, match=r"No training run at .*nowhere"):
        attempt(tmp_path / "nowhere")
    with pytest.raises(HarnessError, match=r"not a training run, there is neither run\.json nor checkpoints"):
        attempt(tmp_path)
    made = write_run(tmp_path / "made", {})
    (made / "checkpoints" / "step-00000012.pt").write_bytes(b"")
    with pytest.raises(HarnessError, match="no checkpoint of an epoch yet"):
        attempt(made)


@pytest.mark.parametrize("command", ["filters", "erf"])
def test_one_of_file_and_run(command, tmp_path):
    def attempt(*words):
        return CliRunner().invoke(app, [command, "--out", str(tmp_path / "out"), *words])

    for words in ((), ("--checkpoint", "a", "--run", "b"), ("--run", "b", "--versus", "a")):
        done = attempt(*words)
        assert done.exit_code == 2, words
        assert "Invalid value" in done.output
    done = attempt("--checkpoint", str(tmp_path))
    assert done.exit_code == 2
    assert "is a folder; pass a run's with --run" in " ".join(done.output.replace("│", " ").split())
