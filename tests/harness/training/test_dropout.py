"""What is dropped belongs to the clip."""

import torch

from vidprep.harness.training.dropout import kept_features
from vidprep.model import i3d_resnet


def kept(keys, *, dropout=0.5, seed=0, epoch=0, shape=(8, 500)):
    return kept_features(keys, shape, dropout=dropout, seed=seed, epoch=epoch)


def test_it_depends_on_the_clip_the_seed_and_the_epoch_and_not_on_its_neighbours():
    both = kept(["train-a", "train-b"])
    assert torch.equal(both[1], kept(["train-b"])[0])
    assert not torch.equal(both[0], both[1])
    assert not torch.equal(both[0], kept(["train-a"], epoch=1)[0])
    assert not torch.equal(both[0], kept(["train-a"], seed=1)[0])


def test_the_share_is_what_was_asked_for():
    assert abs(kept(list(map(str, range(50))), dropout=0.3).float().mean() - 0.7) < 0.004
    assert kept(["a"], dropout=0.0).all()


def test_it_stays_the_same_from_release_to_release():
    assert kept(["train-a"], shape=(16,)).int().flatten().tolist() == FROZEN


FROZEN = [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0]


def test_the_network_drops_as_torch_does_on_average_and_takes_masks_of_its_own_shape():
    for options in ({}, {"head": "pool_first"}, {"temporal_stride": True}):
        net = i3d_resnet(18, 3, width=2, **options).train()
        torch.nn.init.normal_(net.fc.weight)
        features = net.features(torch.randn(2, 3, 10, 32, 32)).detach()
        shape = net.dropout_shape(10)
        masks = kept(list(map(str, range(2000))), shape=shape)
        exact = net.eval().logits(features)
        mean = torch.stack([net.logits(features, pair) for pair in masks.split(2)]).mean(0)
        assert torch.allclose(mean, exact, atol=0.15 * exact.abs().max().item())
        assert torch.allclose(
            net.logits(features, torch.ones(2, *shape, dtype=torch.bool)),
            2 * (exact - net.fc.bias) + net.fc.bias,
        )
