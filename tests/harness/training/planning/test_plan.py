"""What a training takes is said before it begins; one that does not fit is refused."""

from dataclasses import replace

import pytest
import torch

from tests.helpers.runs.tiny import SETTINGS, options, run
from vidprep import plan_training
from vidprep.errors import HarnessError
from vidprep.harness.ranks import Ranks
from vidprep.harness.training.planning.pass_cost import PassCost
from vidprep.harness.training.planning.plan import check_it_fits, divisors
from vidprep.harness.training.step import BatchSplit
from vidprep.model import build_model
from vidprep.model.summary import summarise
from vidprep.recipes.recipe import ModelStage

ONE = Ranks(0, 1, torch.device("cpu"))
OVERRIDES = [f"{key}={value}" for key, value in SETTINGS.items()]
# 4,096 frames of 64x64 in a full-sized network: some 30 GiB for one clip.
HUGE = ["train_clip.clip_len=4096", "train_clip.crop_size=64", "model.depth=50", "model.width=64"]


@pytest.fixture(scope="module")
def plan(tiny_shards):
    return plan_training(tiny_shards, overrides=OVERRIDES, micro_batch="auto")


def test_the_plan_of_a_small_training(plan):
    assert (plan.num_videos, plan.steps_per_epoch, plan.epochs) == (24, 3, 3)
    assert plan.fits and plan.largest_pass == 8 and plan.split == BatchSplit(8, 1, 1)
    network = build_model(ModelStage(depth=18, width=4), 4)
    macs = sum(stage.num_macs for stage in summarise(network, num_frames=4, size=32).stages)
    # The classifier sees each frame, which the summary counts the same.
    assert plan.cost.num_macs == macs
    assert plan.teraflop_per_epoch == pytest.approx(24 * 6 * macs / 1e12)
    assert plan.cost.num_parameters == sum(p.numel() for p in network.parameters())


def test_a_batch_larger_than_the_set_is_refused(tiny_shards):
    with pytest.raises(HarnessError, match="has 24 training videos, less than a batch of 32"):
        plan_training(tiny_shards, overrides=[*OVERRIDES, "optimisation.batch_size=32"])


def test_planning_moves_no_generator(tiny_shards):
    before = torch.random.get_rng_state()
    plan_training(tiny_shards, overrides=OVERRIDES)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_pass_that_does_not_fit_is_refused_with_the_one_that_does(plan):
    cost = PassCost(46_000_000, 256_000_000_000, 3 << 30)
    tight = replace(
        plan,
        cost=cost,
        split=BatchSplit(32, 1, 1),
        needed_bytes=97 << 30,
        available_bytes=18 << 30,
        largest_pass=4,
    )
    with pytest.raises(HarnessError, match=r"pass of 32 clips needs about 97.00 GiB.*18.00 GiB") as found:
        check_it_fits(tight, ONE)
    assert "--micro-batch 4 (or --micro-batch auto) fits: the same batch in 8 passes" in str(found.value)
    assert "batch norm over 4 clips at a time" in str(found.value)


def test_a_clip_that_does_not_fit_is_refused_before_anything_is_written(tiny_shards, tmp_path):
    words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", *options()]
    said = run(*words, *(word for one in HUGE for word in ("--set", one)), expect=1)
    assert "One clip alone needs about" in said and "train_clip.clip_len" in said and "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_the_command_plans_and_begins_nothing(tiny_shards, tmp_path):
    said = run("train", "--shards", tiny_shards, "--plan", "--micro-batch", "auto", *options())
    assert "3 steps an epoch, 3 epochs: 9 steps of 8 clips (24 an epoch" in said
    assert "Memory: a pass of 8 clips takes about" in said and "largest pass that fits: 8" in said
    assert "One clip took" in said


def test_wrong_usage(tiny_shards):
    said = run("train", "--shards", tiny_shards, expect=2)
    assert "a training needs a folder" in said
    said = run("train", "--shards", tiny_shards, "--plan", "--micro-batch", "some", expect=2)
    assert "'some' is neither a number of clips" in said


def test_divisors():
    assert divisors(12) == [1, 2, 3, 4, 6, 12] and divisors(1) == [1]
