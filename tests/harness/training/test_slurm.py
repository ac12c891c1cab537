"""examples/slurm/train.sbatch and eval.sbatch as printed, on a real SLURM of two nodes, with gloo on CPUs."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.programs.slurm import Slurm, is_here
from tests.helpers.runs.tiny import losses, options, run
from vidprep.harness.run_folder import epoch_checkpoints, read_metrics
from vidprep.model.weight_files import read_checkpoint

SCRIPTS = Path(__file__).parents[3] / "examples" / "slurm"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not is_here(), reason="SLURM (slurm-wlm, munge) is not installed, or this is not root"
    ),
]


def weights(run_dir):
    found = epoch_checkpoints(run_dir)
    return read_checkpoint(found[max(found)])["model"]


def test_a_training_that_is_queued_again_twice_and_its_evaluation(tiny_shards, tmp_path):
    """Two nodes, a process on each: the weights are those of the undisturbed training of two processes."""
    words = ["--log-every", 1, "--workers", 1, *options(optimisation__epochs=4)]
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "run"
    run("train", "--shards", tiny_shards, "--out", undisturbed, *words, num_ranks=2)
    with Slurm(tmp_path / "slurm") as slurm:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        slurm.environment |= {"PATH": path, "OMP_NUM_THREADS": "1"}
        log = f"--output={tmp_path}/%j.log"
        small = ["--cpus-per-task=1", "--mem-per-cpu=0", "--time=10", log]
        job = slurm.submit(
            *("--nodes=2", "--ntasks-per-node=1", *small, SCRIPTS / "train.sbatch"),
            *("--shards", tiny_shards, "--out", out, *words),
            MASTER_ADDR_OF_JOB="127.0.0.1",
        )

        def said():
            return (tmp_path / f"{job}.log").read_text()

        for step in (2, 7):  # SLURM's own clock looks every half minute; what it sends is sent here at once
            slurm.wait_for_turn(job, lambda step=step: len(read_metrics(out)) >= step)
            slurm.run("scancel", "--batch", "--signal=USR1", job)
            slurm.wait_until(lambda: set(slurm.states(job).values()) & {"PENDING", "COMPLETED"}, seconds=240)
        assert set(slurm.wait_for_end(job).values()) == {"COMPLETED"}, said()
        evaluation = slurm.submit(
            *(*small, SCRIPTS / "eval.sbatch", "--shards", tiny_shards, "--checkpoint", out),
            *("--out", tmp_path / "evals", "--workers", 1),
        )
        ended = slurm.wait_for_end(evaluation)
        assert set(ended.values()) == {"COMPLETED"}, (tmp_path / f"{evaluation}.log").read_text()
    assert "Resum" in said() or "resum" in said()
    np.testing.assert_array_equal(losses(out), losses(undisturbed))
    ours, theirs = weights(out), weights(undisturbed)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (tmp_path / "evals" / "results.json").is_file()
