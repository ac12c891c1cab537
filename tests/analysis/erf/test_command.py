"""`vidprep erf` writes numbers and figures, and its figures draw what was measured."""

import json

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from typer.testing import CliRunner

from vidprep.analysis.erf.figures import frames_figure, slice_figure, space_figure, time_figure
from vidprep.cli.main import app
from vidprep.errors import CheckpointError
from vidprep.model import i3d_resnet
from vidprep.model.receptive_field import AxisField

THEORY = (AxisField(3, 1, -1), AxisField(5, 2, 0), AxisField(5, 2, 0))


@pytest.fixture
def checkpoints(tmp_path):
    torch.manual_seed(0)
    paths = [tmp_path / name for name in ("first.pth", "second.pth")]
    for path in paths:
        torch.save(i3d_resnet(50, 2, width=2).state_dict(), path)
    return paths


def run(*words):
    return CliRunner().invoke(app, ["erf", *map(str, words)], catch_exceptions=False)


def test_command_writes_fields_numbers_and_figures(checkpoints, tmp_path):
    out = tmp_path / "out"
    size = ("--frames", 6, "--size", 32, "--draws", 2)
    done = run("--checkpoint", checkpoints[0], "--versus", checkpoints[1], "--out", out, *size)
    assert done.exit_code == 0
    assert "sigma" in done.output and "Peak memory" in done.output
    names = "erf.npz erf-2.npz erf.json time.png space.png slice.png frames.png frames-2.png"
    assert sorted(path.name for path in out.iterdir()) == sorted(names.split())
    field = np.load(out / "erf.npz")["erf"]
    assert (field.shape, field.dtype) == ((3, 6, 32, 32), np.float32)
    facts = json.loads((out / "erf.json").read_text())
    assert facts["neuron"] == [3, 0, 0]
    assert facts["theoretical_field"]["first_and_last"][0] == [3 - 17, 3 + 17]
    assert len(facts["energy_per_frame"]) == 6
    assert facts["versus"][0]["checkpoint"] == str(checkpoints[1])
    assert run("--checkpoint", checkpoints[0], "--out", out, *size).exit_code == 0
    assert {*names.split()} - {path.name for path in out.iterdir()} == {"frames-2.png"}


def test_a_seed_beyond_those_of_noise_is_a_usage_error(checkpoints, tmp_path):
    done = run("--checkpoint", checkpoints[0], "--out", tmp_path / "out", "--seed", 2**32)
    assert done.exit_code == 2
    assert "--seed" in done.output


def test_neuron_outside_the_map_is_a_usage_error(checkpoints, tmp_path):
    for neuron in ("6,0,0", "1,2", "a,b,c"):
        done = run("--checkpoint", checkpoints[0], "--out", tmp_path / "out", "--frames", 6, "--size", 32,
                   "--neuron", neuron)  # fmt: skip
        assert done.exit_code == 2
        assert "--neuron" in done.output
    assert not (tmp_path / "out").exists()


def test_networks_of_two_depths_are_not_compared(checkpoints, tmp_path):
    torch.save(i3d_resnet(34, 2, width=2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: its theoretical receptive field is 67x899x899"):
        run("--checkpoint", checkpoints[0], "--versus", tmp_path / "other.pth", "--out", tmp_path / "out")


def test_networks_without_a_field_to_measure_are_refused(tmp_path):
    for name, kernel in {"2d": torch.zeros(4, 3, 7, 7), "other": torch.zeros(4, 3, 5, 7, 7)}.items():
        torch.save({"conv1.weight": kernel}, tmp_path / f"{name}.pth")
    for name, what in {"2d": "a 2D network", "other": "no I3D-ResNet of depth 18"}.items():
        with pytest.raises(CheckpointError, match=rf"{name}\.pth: holds {what}"):
            run("--checkpoint", tmp_path / f"{name}.pth", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_given_twice_is_measured_once(checkpoints, tmp_path):
    words = ("--checkpoint", checkpoints[0], "--versus", checkpoints[0], "--out", tmp_path / "out")
    assert run(*words, "--frames", 2, "--size", 32, "--draws", 1).exit_code == 0
    assert not (tmp_path / "out" / "erf-2.npz").exists()


@pytest.fixture
def field():
    erf = np.zeros((3, 4, 9, 9), np.float32)
    erf[0, 2, 4, 6], erf[1, 1, 4, 5] = 2, 1
    return erf


def test_time_figure_draws_the_energy_of_each_network(field):
    axes = time_figure({"a": field, "b": field[:, ::-1]}, THEORY, (2, 1, 1)).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines["a"], [0, 20, 80, 0])
    np.testing.assert_allclose(lines["b"], [0, 80, 20, 0])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("frame", "share of energy (%)")
    assert list(axes.lines[0].get_xdata()) == [2, 2]  # the centre of the theoretical field


def test_maps_draw_the_amplitude_and_the_centre(field):
    panels = space_figure({"a": field, "b": field}, THEORY, (2, 1, 1)).axes
    shown = panels[0].images[0].get_array()
    assert (shown[4, 6], shown[4, 5]) == (1, 0.5)
    assert [axes.get_title() for axes in panels[:2]] == ["a", "b"]
    assert [tuple(np.ravel(line.get_data())) for line in panels[0].lines if line.get_marker() == "+"] == [
        (4, 4)
    ]
    shown = slice_figure({"a": field}, THEORY, (2, 1, 1)).axes[0].images[0].get_array()
    assert (shown[2, 6], shown[1, 5]) == (1, 0.5)


def test_frames_share_one_scale(field):
    panels = frames_figure("a", field, THEORY, (2, 1, 1)).axes[:4]
    assert [float(axes.images[0].get_array().max()) for axes in panels] == [0, 0.5, 1, 0]
    assert len({(axes.images[0].norm.vmin, axes.images[0].norm.vmax) for axes in panels}) == 1


@pytest.mark.parametrize("draw", [space_figure, slice_figure])
@pytest.mark.parametrize("num_panels", [1, 3])
def test_nothing_is_cut_off(field, draw, num_panels):
    wide = (AxisField(35, 1, -1), AxisField(427, 32, -210), AxisField(427, 32, -210))
    figure = draw(dict.fromkeys("abc"[:num_panels], field), wide, (2, 1, 1))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    texts = [
        figure._suptitle,
        *(each for axes in figure.axes for each in (axes.xaxis.label, axes.yaxis.label)),
    ]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= width and box.y1 <= height, text


@pytest.mark.parametrize("num_frames", [1, 2, 4, 16])
def test_frames_are_whole_numbers(num_frames):
    fields = {"a": np.ones((3, num_frames, 9, 9), np.float32)}
    across = slice_figure(fields, THEORY, (0, 1, 1)).axes[0].get_yticks()
    assert (across == across.round()).all()
    along = time_figure(fields, THEORY, (0, 1, 1)).axes[0].get_xticks()
    assert (along == along.round()).all()
