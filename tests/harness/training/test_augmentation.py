"""Trainings with augmentation: the same on several processes and after a stop; soft targets count right."""

import numpy as np
import pytest
import torch
from torch.nn.functional import log_softmax

from tests.helpers.runs.tiny import losses, options, run
from vidprep.harness.run_folder import epoch_checkpoints, step_checkpoints
from vidprep.harness.training.step import BatchSplit, StepSettings, train_step
from vidprep.load import Augmenter, ClipLoader, LoaderOptions
from vidprep.model.weight_files import read_checkpoint
from vidprep.recipes.augmentation import Augmentation
from vidprep.recipes.recipe import TrainClip

EVERYTHING = {
    "train_clip__clips_per_video": 2,
    "augmentation__brightness": 0.4,
    "augmentation__rand_augment": "rand-m7-n4-mstd0.5-inc1",
    "augmentation__erase_probability": 0.25,
    "augmentation__mixup_alpha": 0.8,
    "augmentation__cutmix_alpha": 1.0,
    "augmentation__label_smoothing": 0.1,
    "optimisation__epochs": 1,
}


def train(shards, run_dir, *more, num_ranks=1, expect=0, **changes):
    words = ["train", "--shards", shards, "--out", run_dir, "--log-every", 1, "--workers", 1]
    return run(*words, *options(**EVERYTHING | changes), *more, num_ranks=num_ranks, expect=expect)


@pytest.fixture(scope="module")
def whole(tiny_shards, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("augmented") / "run"
    said = train(tiny_shards, run_dir, "--precision", "bf16", "--checkpoint-minutes", 0, "--keep-last", 100)
    assert "Augmentation: brightness 0.4, RandAugment rand-m7-n4-mstd0.5-inc1, erasing 25%" in said
    assert len(losses(run_dir)) == 6  # 24 videos, two clips of each, in batches of 8
    assert "Mixup 0.8, CutMix 1, label smoothing 0.1" in said
    return run_dir


def test_a_run_goes_on_to_the_very_same_end(whole, tiny_shards, tmp_path):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    for path in (epoch_checkpoints(whole)[0], step_checkpoints(whole)[1]):
        (tmp_path / "run/checkpoints" / path.name).write_bytes(path.read_bytes())
    for name in ("run.json", "recipe.toml", "metrics.jsonl"):
        (tmp_path / "run" / name).write_bytes((whole / name).read_bytes())
    train(tiny_shards, tmp_path / "run", "--precision", "bf16", "--resume")
    assert losses(tmp_path / "run").tolist() == losses(whole).tolist(), "to the bit"
    ends = [read_checkpoint(epoch_checkpoints(path)[1])["model"] for path in (tmp_path / "run", whole)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])


def test_another_augmentation_is_another_run(whole, tiny_shards):
    said = train(tiny_shards, whole, "--resume", expect=1, augmentation__mixup_alpha=0.2)
    assert "augmentation.mixup_alpha is 0.8 there and 0.2 now" in said
    assert "--allow-change augmentation.mixup_alpha" in said


@pytest.mark.slow
def test_several_processes_give_the_curve_of_one(tiny_shards, tmp_path):
    single = {"train_clip__clips_per_video": 1}
    train(tiny_shards, tmp_path / "one", "--micro-batch", 4, **single)
    train(tiny_shards, tmp_path / "several", "--micro-batch", 2, num_ranks=2, **single)
    np.testing.assert_allclose(losses(tmp_path / "several"), losses(tmp_path / "one"), rtol=1e-4)


def test_passes_without_pairs_are_refused(tiny_shards, tmp_path):
    said = train(tiny_shards, tmp_path / "run", "--micro-batch", 2, expect=1)
    assert "mix the two neighbours of each pair of videos, and a pass has 1 of them" in said
    said = train(tiny_shards, tmp_path / "run", expect=1, augmentation__rand_augment="rand-9")
    assert "'rand_augment' must be like \"rand-m7-n4-mstd0.5-inc1\"" in said and 'got "rand-9"' in said


class Fixed(torch.nn.Module):
    """A network that calls clips in turn class 1 and class 2."""

    def __init__(self):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor([0.3, 2.0, -1.0, 0.0]))

    def forward(self, clips, kept=None):
        return torch.stack([self.logits.roll(row % 2) for row in range(len(clips))])


def test_soft_targets_in_the_loss_and_in_the_accuracy(tiny_shards):
    """Against a loop over clips and classes."""
    augmentation = Augmentation(mixup_alpha=0.8, label_smoothing=0.2)
    augmenter = Augmenter(augmentation, num_classes=4, seed=3)
    clip = TrainClip(clip_len=2, crop_size=32)
    loader = ClipLoader(
        tiny_shards, clip=clip, batch_size=8, seed=3, options=LoaderOptions(num_workers=0), pixels="rgb"
    )
    net = Fixed()
    split = BatchSplit(8, 1, 1)
    settings = StepSettings(split, torch.device("cpu"), "fp32", "linear", 0.0, (), 3, augmenter)
    batches = [batch.clone() for batch in loader]
    shares = augmenter(batches[0]).shares
    expected = 0.0
    for row in range(8):
        for number, logit in enumerate(log_softmax(net.logits.detach().roll(row % 2), 0)):
            expected -= float((0.8 * shares[row, number] + 0.2 / 4) * logit)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    done = train_step(net, optimiser, iter(batches), settings, epoch=0)
    assert float(done.loss) == pytest.approx(expected, rel=1e-5)
    num_correct = sum(float(shares[row, 1 + row % 2]) for row in range(8))
    assert float(done.num_correct) == pytest.approx(num_correct, rel=1e-5) and num_correct % 1
