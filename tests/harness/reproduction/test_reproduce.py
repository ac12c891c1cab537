"""A published figure and ours beside it, and what differs from its conditions."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.helpers.paths import RELEASE_0_1
from vidprep.cli.main import app
from vidprep.errors import CheckpointError, RecipeError, ShardError
from vidprep.harness.reproduction import run
from vidprep.harness.reproduction.published import PUBLISHED, find_published
from vidprep.harness.reproduction.run import reproduce, shard_differences
from vidprep.model import i3d_resnet
from vidprep.recipes.pipelines import read_pipeline
from vidprep.shards.shard_set import ShardSet


@pytest.fixture
def shards(tmp_path) -> Path:
    """A set of release 0.1: 12 classes of SSv2, called all of them here."""
    root = Path(shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "shards"))
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["recipe"]["dataset"] = {"name": "ssv2"}
    (root / "manifest.json").write_text(json.dumps(manifest))
    return root


@pytest.fixture
def small(monkeypatch):
    """Figures whose network is as small as that of the fixture; the rest is their own."""
    monkeypatch.setattr(run, "read_pipeline", lambda name: read_pipeline(name, ["model.depth=18"]))


def test_every_published_figure_has_its_pipeline():
    assert len(PUBLISHED) == 8
    for name, published in PUBLISHED.items():
        assert find_published(name).name == name
        recipe = read_pipeline(published.pipeline)
        assert recipe.model.depth == 50
        assert published.top1 is not None or published.doubts
    with pytest.raises(RecipeError, match=r"called 'ibm' here\. Choose from ibm_ssv2"):
        find_published("ibm")


def test_ours_beside_theirs(small, shards, tmp_path):
    checkpoint = RELEASE_0_1 / "run"
    views = ["--workers", "0"]
    words = [
        "reproduce",
        "ibm_ssv2",
        "--shards",
        shards,
        "--checkpoint",
        checkpoint,
        "--out",
        tmp_path / "out",
    ]
    done = CliRunner().invoke(app, [*map(str, words), *views], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "62.84%" in done.output
    assert "over 6 videos" in done.output and "the interval of ours" in done.output
    assert "Differs: Stored with transcode." in done.output
    assert "Differs: The shards have no passport" in done.output
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert (results["protocol"], results["views"]["temporal"]) == ("ibm", "uniform_ibm")
    assert f"{results['top1']:.2%}" in done.output


def test_a_training_of_ours_is_held_against_the_published_conditions(small, shards, tmp_path):
    found = reproduce("kobayashi_ssv2", shards, RELEASE_0_1 / "run", tmp_path / "out")
    assert found.agrees is None  # Table A states no accuracy
    views = found.results.views
    assert (views.num_crops, views.num_clips, views.frame_step, views.temporal) == (3, 3, 1, "dense")
    recipe = found.results.recipe
    said = " ".join(found.differences)
    assert f"Trained with optimisation.epochs = {recipe.optimisation.epochs!r}, not 100." in said
    assert f"Trained with train_clip.crop_size = {recipe.train_clip.crop_size!r}, not 224." in said
    assert f"Evaluated with eval_views.crop_size = {views.crop_size!r}, not 256." in said
    assert "eval_views.num_clips" not in said and "model.depth" not in said
    theirs = reproduce("ibm_ssv2", shards, RELEASE_0_1 / "run", tmp_path / "ibm").differences
    assert "The weights are of a training of ours, not the published file." in theirs
    assert not any("Trained with" in one for one in theirs)


def test_a_run_of_another_depth_is_refused(shards, tmp_path):
    with pytest.raises(CheckpointError, match=r"is a ResNet-18, kobayashi_ssv2 is of I3D-ResNet-50"):
        reproduce("kobayashi_ssv2", shards, RELEASE_0_1 / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_agreement_is_the_interval(small, shards, tmp_path):
    found = reproduce("ibm_ssv2", shards, RELEASE_0_1 / "run", tmp_path / "out")
    low, high = found.results.interval.top1
    for top1, agrees in (
        (low * 100 - 1, False),
        (low * 100 + 1, True),
        (high * 100 + 1, False),
        (None, None),
    ):
        assert replace(found, published=replace(found.published, top1=top1)).agrees is agrees


def test_videos_that_were_left_out_there(shards):
    published = replace(PUBLISHED["ibm_ssv2"], min_frames=1000, num_videos=24777)
    found = " ".join(shard_differences(published, ShardSet.open(shards)))
    assert "6 validation videos, not the published 24,777" in found
    assert "6 videos under 1000 frames are evaluated; they were left out there" in found


def test_other_shards_and_other_weights_are_refused(shards, tmp_path):
    with pytest.raises(
        ShardError, match=r"is of all of ssv2, ibm_k400 is of all of k400. Give the shards of"
    ):
        reproduce("ibm_k400", shards, RELEASE_0_1 / "run", tmp_path / "out")
    with pytest.raises(ShardError, match=r"is of all of ssv2, kobayashi_mini_ssv2 is of mini_ssv2"):
        reproduce("kobayashi_mini_ssv2", shards, RELEASE_0_1 / "run", tmp_path / "out")
    torch.save(i3d_resnet(18, 12, width=4).state_dict(), tmp_path / "small.pt")
    with pytest.raises(CheckpointError, match=r"is a ResNet-18, ibm_ssv2 is of I3D-ResNet-50. Give the file"):
        reproduce("ibm_ssv2", shards, tmp_path / "small.pt", tmp_path / "out")
    (shards / "manifest.json").unlink()
    with pytest.raises(ShardError):
        reproduce("ibm_ssv2", shards, tmp_path / "small.pt", tmp_path / "out")
