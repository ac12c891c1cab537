"""Runs and evaluations of release 0.1: a run goes on, a checkpoint scores the same, results stay readable."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import vidprep
from tests.helpers.paths import REPOSITORY
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.run_folder import read_metrics
from vidprep.load import LoaderOptions

FIXTURE = REPOSITORY / "tests/fixtures/release_0_1"
LOADING = LoaderOptions(num_workers=0)


@pytest.fixture
def release(tmp_path):
    return shutil.copytree(FIXTURE, tmp_path / "release")


@pytest.fixture
def resumed(release):
    """Metrics of the release, and those after its last two epochs were trained again."""
    run = release / "run"
    expected = read_metrics(run)
    (run / "checkpoints/epoch-0003.pt").unlink()
    recipe = run / "recipe.toml"
    vidprep.train(
        release / "shards", run, recipe=recipe, resume=True, device="cpu", keep_every=1, loading=LOADING
    )
    return expected, read_metrics(run)


def test_a_run_goes_on(resumed):
    expected, found = resumed
    for name in ("step", "epoch", "lr"):
        np.testing.assert_allclose([line[name] for line in found], [line[name] for line in expected])


def test_a_run_goes_on_to_the_same_losses(resumed):
    expected, found = resumed
    np.testing.assert_allclose(
        [line["loss"] for line in found], [line["loss"] for line in expected], rtol=1e-4
    )


@pytest.fixture
def scored(release, tmp_path):
    checkpoint = release / "run/checkpoints/epoch-0003.pt"
    return vidprep.evaluate(
        release / "shards", checkpoint, tmp_path / "eval", device="cpu", loading=LOADING
    ), (tmp_path / "eval", release / "eval")


def test_a_checkpoint_has_the_same_top1(scored):
    results, (_, before) = scored
    assert results.top1 == json.loads((before / "results.json").read_text())["top1"]


def test_a_checkpoint_gives_the_same_logits(scored):
    found, expected = (
        {row["key"]: row["logit_sum"] for row in pq.read_table(folder / "predictions.parquet").to_pylist()}
        for folder in scored[1]
    )
    for key, logits in expected.items():
        np.testing.assert_allclose(found[key], logits, rtol=1e-3)


def test_results_are_readable(release):
    assert read_results(release / "eval").top1 == pytest.approx(1 / 3)
