"""`vidprep model` prints what it counts."""

import json

import pytest
from typer.testing import CliRunner

from vidprep.cli.main import app


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *words: CliRunner().invoke(app, ["model", *words], catch_exceptions=False)


def test_the_paper_s_network(run):
    text = run("mini_k400").output
    assert "I3D-ResNet-50 without temporal stride, 3x32x224x224 clips" in text
    assert "parameters: 46,571,144" in text
    assert "a clip (3x32x224x224): 256,721,289,216" in text
    assert "a view (3x32x256x256): 335,309,438,976" in text
    assert "35 frames, 427 x 427 pixels" in text
    assert "2048x32x7x7" in text


def test_json_of_another_size(run):
    printed = json.loads(run("ssv2", "--json", "--frames", "8", "--size", "64", "--classes", "5").output)
    assert printed.keys() == {"clip"}
    assert printed["clip"]["clip_shape"] == [3, 8, 64, 64]
    assert printed["clip"]["stages"][-1]["output_shape"] == [5]


def test_override(run):
    text = run("demo", "--set", "model.depth=34", "--set", "model.temporal_stride=true").output
    assert "I3D-ResNet-34 with temporal stride, 3x8x64x64 clips" in text
