"""The figures: what is drawn, not how it looks; and the command that writes them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from tests.analysis.filters.test_measure import random_kernel, separable, weight_file
from tests.helpers.runs.known_runs import run_of_taps
from vidprep.analysis.filters.figures import (
    PLANES,
    density,
    layers_figure,
    sphere_figure,
    stages_figure,
    versus_figure,
)
from vidprep.analysis.filters.measure import filter_table
from vidprep.cli.main import app
from vidprep.errors import CheckpointError

Z = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.6, 0.8]])


def drawn(axes):
    return np.ma.filled(axes.collections[0].get_array(), 0)


@pytest.fixture
def table():
    return filter_table(
        weight_file(conv1=separable([-1, 0, 1], 5), layer1_0_conv2=random_kernel(40, 3, 3, 3, 3))
    )


def test_density_has_both_signs_and_sums_to_one():
    share = density(Z, (0, 1), 21)
    assert share.sum() == pytest.approx(1)
    np.testing.assert_array_equal(share, share[::-1, ::-1])
    assert share[10, 20] == share[10, 0] == pytest.approx(1 / 6)  # +-(1, 0, 0): centre height, right and left
    assert share[20, 10] == share[0, 10] == pytest.approx(1 / 6)


def test_density_of_another_plane():
    share = density(Z, (1, 2), 21)
    assert share[18, 16] == share[2, 4] == pytest.approx(1 / 6)  # +-(0, .6, .8)
    assert share[10, 10] == pytest.approx(2 / 6)  # the average filter, seen from its end


def test_stages_figure_draws_every_stage_in_three_planes(table):
    panels = stages_figure(table, "a title").axes
    assert len(panels) == 3 * 3 + 1  # conv1, layer1, all; and the colour bar
    labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in panels[:3]]
    names = ("average", "1st differential", "2nd differential")
    assert labels == [(names[across], names[up]) for across, up in PLANES]
    assert all(axes.get_aspect() == 1 for axes in panels[:-1])
    first = drawn(panels[0])  # of conv1: all at the two ends of the 1st differential
    middle = first.shape[1] // 2
    assert np.argwhere(first).tolist() == [[0, middle], [len(first) - 1, middle]]
    assert panels[3].get_title("left") == "layer1: 40 filters"


def test_filters_on_the_rim_are_not_cut_off():
    rim = filter_table(
        weight_file(conv1=separable([0, 1, 0]))
    )  # (.577, 0, .816): on the circle of average, 2nd
    mesh = stages_figure(rim, "a title").axes[2].collections[0]
    assert np.count_nonzero(np.ma.filled(mesh.get_array(), 0)) == 2
    assert mesh.get_clip_path() is None


def test_layers_figure_has_a_panel_per_layer(table):
    figure = layers_figure(table, (1, 2), "a title")
    assert [axes.get_title() for axes in figure.axes[:-1]] == ["conv1", "layer1.0.conv2"]


def test_versus_figure_draws_both(table):
    other = filter_table(weight_file(conv1=separable([1, 1, 1]), layer1_0_conv2=random_kernel(4, 3, 3, 3, 3)))
    panels = versus_figure([table, other], ["a.pth", "b.pth"], "a title").axes
    assert [axes.get_title() for axes in panels[:2]] == ["a.pth\nconv1: 5", "b.pth\nconv1: 4"]
    assert not np.array_equal(drawn(panels[0]).nonzero(), drawn(panels[1]).nonzero())


def test_versus_figure_aligns_stages_that_only_one_network_has(table):
    other = filter_table(weight_file(conv1=separable([1, 1, 1]), layer2_0_conv2=random_kernel(4, 3, 3, 3, 3)))
    panels = versus_figure([table, other], ["a", "b"], "a title").axes[:-1]
    rows = [axes.get_title().split("\n")[1] for axes in panels]
    assert rows[::6] == ["conv1: 5", "layer1: 40", "layer2: 0", "all layers: 45"]
    assert rows[1::6] == ["conv1: 4", "layer1: 0", "layer2: 4", "all layers: 8"]


def test_sphere_has_every_filter_twice_and_three_named_axes(table):
    axes = sphere_figure(table, "a title").axes[0]
    assert sum(len(points.get_offsets()) for points in axes.collections) == 2 * len(table)
    assert [text.get_text().split("\n")[0] for text in axes.texts] == [
        "average",
        "1st differential",
        "2nd differential",
    ]
    assert tuple(axes.get_box_aspect()) == pytest.approx((axes.get_box_aspect()[0],) * 3)


@pytest.fixture
def checkpoints(tmp_path):
    paths = [tmp_path / name for name in ("before.pth", "after.pth")]
    for seed, path in enumerate(paths):
        kernels = {"conv1.weight": (8, 3, 3, 7, 7), "layer1.0.conv2.weight": (6, 8, 3, 3, 3)}
        torch.save({name: random_kernel(*shape, seed=seed) for name, shape in kernels.items()}, path)
    return paths


def run(*words):
    return CliRunner().invoke(app, ["filters", *map(str, words)], catch_exceptions=False)


def test_command_writes_table_summary_and_figures(checkpoints, tmp_path):
    out = tmp_path / "out"
    output = run("--checkpoint", checkpoints[0], "--out", out, "--versus", checkpoints[1]).output
    assert "all layers" in output
    assert {path.name for path in out.iterdir()} == {
        "filters.parquet",
        "filters-versus.parquet",
        "summary.json",
        "sphere.png",
        "stages.png",
        "versus.png",
        "layers-average-first.png",
        "layers-first-second.png",
        "layers-average-second.png",
    }
    table = pd.read_parquet(out / "filters.parquet")
    summary = json.loads((out / "summary.json").read_text())
    assert len(table) == summary["all"]["num_filters"] == 14
    assert summary["versus"]["checkpoint"] == str(checkpoints[1])
    assert [layer["layer"] for layer in summary["layers"]] == ["conv1", "layer1.0.conv2"]
    assert sum(summary["all"]["mean_squared"].values()) == pytest.approx(1)


def test_command_with_pairs(checkpoints, tmp_path):
    run("--checkpoint", checkpoints[0], "--out", tmp_path / "out", "--matrix", "pair")
    table = pd.read_parquet(tmp_path / "out" / "filters.parquet")
    assert len(table) == 8 * 3 + 6 * 8
    assert table["in_channel"].max() == 7


def test_command_refuses_a_2d_network_and_writes_nothing(tmp_path):
    torch.save({"conv1.weight": torch.zeros(4, 3, 7, 7)}, tmp_path / "2d.pth")
    with pytest.raises(CheckpointError, match="a 2D network"):
        run("--checkpoint", tmp_path / "2d.pth", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_an_earlier_command_told_of_other_networks_is_gone(checkpoints, tmp_path):
    out = tmp_path / "out"
    made = run_of_taps(tmp_path / "made", {0: [1, 1, 1], 1: [1, 2, 1]})
    assert run("--run", made, "--out", out).exit_code == 0
    both = {"growth.parquet", "growth.json", "growth.png", "versus.png", "filters-versus.parquet"}
    assert both <= {path.name for path in out.iterdir()}
    assert run("--checkpoint", checkpoints[0], "--out", out).exit_code == 0
    assert not both & {path.name for path in out.iterdir()}
    (out / "growth.json").write_text("{}")  # of `vidprep erf` in the same folder
    assert run("--checkpoint", checkpoints[0], "--out", out).exit_code == 0
    assert (out / "growth.json").exists()


def test_names_are_no_markup(tmp_path):
    folder = tmp_path / "[" / "red]"
    folder.mkdir(parents=True)
    torch.save({"[/a].weight": torch.ones(2, 2, 3, 3, 3)}, folder / "a.pth")
    assert run("--checkpoint", folder / "a.pth", "--out", tmp_path / "out").exit_code == 0
