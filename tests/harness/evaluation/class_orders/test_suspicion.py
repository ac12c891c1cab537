"""Another order of classes is noticed; honest networks, good or bad, are left in peace."""

import numpy as np
import pytest
import torch

from tests.helpers.runs.small_evaluation import run_evaluation, video_bytes, write_network, write_set
from tests.helpers.sets.numbered import sample
from vidprep.errors import CheckpointError
from vidprep.harness.evaluation.class_orders.suspicion import (
    NUM_VIDEOS,
    OrderWatch,
    chance_warning,
    collapse_warning,
    is_permuted,
)
from vidprep.load import ViewLoader
from vidprep.load.transforms import to_network_input
from vidprep.model.weights import load_network
from vidprep.recipes.recipe import EvalViews

ONE_VIEW = EvalViews(clip_len=4, num_clips=1, num_crops=1, crop_size=32)


def scored(num_videos, num_classes, accuracy, seed, *, imbalance=0.0):
    """Labels and predictions of a network that is right so often and else takes classes for like ones.

    Classes lie in a space of few dimensions, as those of real networks do: what a class is taken for is no
    accident, and the same from video to video.
    """
    random = np.random.default_rng(seed)
    shares = (1 + np.arange(num_classes)) ** -imbalance
    labels = random.choice(num_classes, num_videos, p=shares / shares.sum())
    places = random.normal(size=(num_classes, 6))
    seen = places[labels] + random.normal(size=(num_videos, 6))
    bias = random.normal(size=num_classes)  # some classes are named too often
    likeness = -((seen[:, None] - places) ** 2).sum(-1) + bias
    predicted = likeness.argmax(1)
    sure = random.random(num_videos) < accuracy
    return labels, np.where(sure, labels, predicted)


@pytest.mark.parametrize("seed", range(20))
def test_a_permuted_list_is_caught_after_200_videos(seed):
    for num_classes in (400, 87, 12):
        labels, predicted = scored(200, num_classes, 0.65, seed)
        assert not is_permuted(labels, predicted)
        wrong = np.random.default_rng(1000 + seed).permutation(num_classes)
        assert is_permuted(labels, wrong[predicted]), num_classes


@pytest.mark.parametrize("seed", range(20))
def test_honest_networks_are_left_in_peace(seed):
    for num_videos, num_classes in ((200, 400), (200, 87), (200, 6), (4000, 87), (118, 12)):
        for accuracy in (0.0, 0.05, 0.3, 0.8):
            honest = scored(num_videos, num_classes, accuracy, seed, imbalance=seed % 4 / 2)
            assert not is_permuted(*honest), (num_videos, num_classes, accuracy)


def test_networks_that_know_nothing_are_not_called_permuted():
    random = np.random.default_rng(0)
    labels = random.integers(0, 12, 600)
    assert not is_permuted(labels, np.full(600, 3))
    assert not is_permuted(np.repeat([0, 1], [500, 100]), np.ones(600, int))  # names the rare class always
    assert not is_permuted(labels, random.integers(0, 12, 600))


def test_a_list_that_is_shifted_or_has_two_classes_exchanged():
    labels, predicted = scored(2000, 6, 0.9, 0)
    exchanged = np.array([1, 0, 3, 2, 4, 5])
    assert is_permuted(labels, exchanged[predicted])
    labels, predicted = scored(20000, 400, 0.7, 0)
    assert is_permuted(labels, (predicted + 1) % 400)


def test_near_chance_is_said():
    labels = np.repeat(np.arange(12), 10)
    assert "Near chance: top-1 is 8.33%" in chance_warning(10, labels, 12)
    assert "naming one class for every video gives 50.00%" in chance_warning(
        6, np.array([0] * 5 + [1] * 5), 12
    )
    assert chance_warning(30, labels, 12) is None


def test_a_network_that_names_one_class_is_called_so():
    labels, names = np.repeat(np.arange(4), 10), ("a", "b", "c", "d")
    assert collapse_warning(labels, np.full(40, 2), names) == (
        "100% of the videos are taken for one class, 'c', and 25% are of it: "
        "the network hardly tells them apart."
    )
    assert collapse_warning(labels, np.r_[labels[:20], np.full(20, 1)], names).startswith("75% of the videos")
    assert collapse_warning(labels, labels, names) is None
    rare = np.repeat([0, 1], [90, 10])
    assert collapse_warning(rare, rare, ("often", "rarely")) is None  # right about a class that most are of
    assert "100% of the videos" in collapse_warning(rare, rare * 0, ("often", "rarely"))


@pytest.mark.parametrize("seed", range(20))
def test_honest_networks_are_not_called_collapsed(seed):
    for num_classes in (400, 87, 12):
        labels, predicted = scored(400, num_classes, 0.3, seed)
        assert collapse_warning(labels, predicted, [str(n) for n in range(num_classes)]) is None


@pytest.fixture(scope="module")
def told_apart(tmp_path_factory):
    """48 videos of 8 classes, and a network that gets all of them right."""
    folder = tmp_path_factory.mktemp("told")
    data = [video_bytes(n, 4, 64, 64, folder / "video.mp4") for n in range(8)]
    made = [sample("validation", f"v{n}", n % 8, data[n % 8], 4, 64, 64) for n in range(48)]
    train = [sample("train", f"t{n}", n, data[n], 4, 64, 64) for n in range(8)]
    shards = write_set(folder / "shards", [*train, *made], 24)
    path = write_network(folder / "epoch-0003.pt", shards, ONE_VIEW)
    net = load_network(path)
    net.fc = torch.nn.Identity()
    with torch.inference_mode():
        views = ViewLoader(shards, "train", views=ONE_VIEW)
        features = torch.cat([net(to_network_input(batch)) for batch in views])
    inverse = torch.linalg.pinv(torch.cat([features, torch.ones(8, 1)], 1))  # least squares
    content = torch.load(path, weights_only=True)
    content["model"] |= {"fc.weight": inverse[:-1].T.contiguous() * 10, "fc.bias": inverse[-1] * 10}
    torch.save(content, path)
    return shards, path


def elsewhere(path, out, order):
    """The weights as a file from elsewhere: without names, its classes in another order."""
    tensors = dict(torch.load(path, weights_only=True)["model"])
    tensors |= {name: tensors[name][list(order)] for name in ("fc.weight", "fc.bias")}
    torch.save({"state_dict": tensors}, out)
    return out


def test_from_an_unknown_order_to_the_right_figures(told_apart, tmp_path):
    shards, path = told_apart
    views = [f"eval_views.{name}={value}" for name, value in ONE_VIEW.model_dump(exclude_none=True).items()]
    assert run_evaluation(path, shards, tmp_path / "ours").top1 == 1
    order = [3, 1, 0, 2, 7, 4, 6, 5]
    weights = elsewhere(path, tmp_path / "theirs.pt", order)
    blind = run_evaluation(weights, shards, tmp_path / "blind", overrides=views)
    assert blind.top1 == 0.25
    assert "right classes under wrong numbers" in blind.warnings[0]
    assert "give the order of its classes with --classes FILE" in blind.warnings[0]
    names = tmp_path / "theirs.txt"
    names.write_text("".join(f'"class_{label}"\n' for label in order))
    told = run_evaluation(weights, shards, tmp_path / "told", overrides=views, classes=str(names))
    assert (told.top1, told.warnings) == (1, ())
    assert told.class_order.source == str(names)
    assert told == run_evaluation(weights, shards, tmp_path / "told", overrides=views, classes=str(names))
    with pytest.raises(CheckpointError, match=r"names its classes itself. Leave --classes"):
        run_evaluation(path, shards, tmp_path / "no", classes=str(names))


def test_a_network_of_more_classes_than_the_shards(told_apart, tmp_path):
    shards, path = told_apart
    views = [f"eval_views.{name}={value}" for name, value in ONE_VIEW.model_dump(exclude_none=True).items()]
    weights = elsewhere(path, tmp_path / "more.pt", [5, 0, 1, 2, 3, 4, 5, 6, 7])
    (tmp_path / "more.txt").write_text("yoga\n" + "".join(f"class {label}\n" for label in range(8)))
    found = run_evaluation(
        weights, shards, tmp_path / "out", overrides=views, classes=str(tmp_path / "more.txt")
    )
    assert (found.top1, len(found.classes), found.class_order.num_logits) == (1, 8, 9)


def test_it_is_said_after_the_first_videos():
    said = []
    watch = OrderWatch(said.append, names_classes=True)
    for number in range(NUM_VIDEOS):
        assert not said
        watch.add(number % 3, (number + 1) % 3)
    assert len(said) == 1
    assert "compare classes.json with the annotation" in said[0]
    watch.add(0, 1)
    assert len(said) == 1
