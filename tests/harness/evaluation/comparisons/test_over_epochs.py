"""Accuracy over the epochs of a run."""

import pandas as pd
import pytest

from tests.helpers.runs.small_evaluation import INLINE, VIEWS, write_network
from vidprep.errors import HarnessError
from vidprep.harness.evaluation import evaluate
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.run_folder import epoch_checkpoint_path
from vidprep.report.find import find_subjects


@pytest.fixture
def run_dir(shards, tmp_path):
    """Three epochs of a run."""
    for epoch in (0, 2, 5):
        path = epoch_checkpoint_path(tmp_path / "run", epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_network(path, shards, VIEWS, epoch=epoch, seed=epoch)
    return tmp_path / "run"


def test_every_epoch_is_evaluated_once(shards, run_dir, tmp_path):
    def go():
        return evaluate(shards, run_dir, tmp_path / "out", views="1x1", all_checkpoints=True, loading=INLINE)

    results = go()
    assert results == read_results(tmp_path / "out")
    assert results.checkpoint.epoch == 5
    table = pd.read_csv(tmp_path / "out/over_epochs.csv")
    assert table["epoch"].tolist() == [0, 2, 5]
    for epoch in (0, 2):
        one = read_results(tmp_path / f"out/epochs/epoch-{epoch:04d}")
        assert one.checkpoint.epoch == epoch
        row = table[table["epoch"] == epoch].iloc[0]
        assert (row["top1"], row["top5"], row["num_videos"]) == (one.top1, one.top5, 7)
    assert table["top1"].iloc[-1] == results.top1
    assert (tmp_path / "out/over_epochs.png").stat().st_size > 10_000
    before = (tmp_path / "out/epochs/epoch-0000/results.json").stat().st_mtime_ns
    assert go() == results
    assert (tmp_path / "out/epochs/epoch-0000/results.json").stat().st_mtime_ns == before
    (found,) = (one for one in find_subjects([tmp_path]) if one.kind == "evaluation")
    assert found.path == tmp_path / "out"


def test_a_file_is_no_run(shards, run_dir, tmp_path):
    path = epoch_checkpoint_path(run_dir, 2)
    with pytest.raises(
        HarnessError, match=r"holds 0 epochs' checkpoints, and accuracy over epochs needs two"
    ):
        evaluate(shards, path, tmp_path / "out", all_checkpoints=True, loading=INLINE)
