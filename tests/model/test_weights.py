"""Weights from files: every form, what is inflated, what is left, and what is refused."""

import io
import os
import pickle
import random
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from tests.helpers.runs.functional_resnet import (
    i3d_logits,
    random_weights,
    resnet50_2d_features,
    resnet50_2d_shapes,
)
from vidprep.errors import CheckpointError
from vidprep.model import build_model, i3d_resnet
from vidprep.model.imagenet import fetch_imagenet
from vidprep.model.weight_files import checkpoint, read_weights
from vidprep.model.weights import inflate, load_network, load_weights
from vidprep.recipes.manifests import class_list_hash
from vidprep.recipes.pipelines import read_pipeline

CLASSES = ("a", "b", "c")


@pytest.fixture
def net():
    """A network of depth 50 whose every tensor is random, batch-norm statistics too."""
    net = i3d_resnet(50, len(CLASSES), width=4)
    net.load_state_dict(random_weights({name: t.shape for name, t in net.state_dict().items()}))
    return net.eval()


@pytest.fixture
def save(tmp_path):
    def save(content, name="weights.pth"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


def same(net, other):
    pairs = zip(net.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == twin and torch.equal(t, u) for (name, t), (twin, u) in pairs)


def fresh(depth=50, num_classes=3, width=4, **options):
    return i3d_resnet(depth, num_classes, width=width, **options)


# --- forms ---


def test_plain_form(net, save):
    other = fresh()
    report = load_weights(other, save(net.state_dict()))
    assert same(net, other)
    assert (report.form, len(report.loaded), report.inflated, report.left) == ("plain", 320, (), ())


def test_ibm_form_strips_module_and_ignores_the_rest(net, save):
    state = {f"module.{name}": t for name, t in net.state_dict().items() if not name.endswith("_tracked")}
    other = fresh()
    path = save({"epoch": 3, "arch": "i3d", "state_dict": state, "best_top1": 61.0, "optimizer": {}})
    report = load_weights(other, path)
    assert report.form == "ibm"
    assert torch.equal(net(torch.ones(1, 3, 4, 32, 32)), other.eval()(torch.ones(1, 3, 4, 32, 32)))


def test_safetensors_form(net, tmp_path):
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    other = fresh()
    assert load_weights(other, tmp_path / "weights.safetensors").form == "safetensors"
    assert same(net, other)


def test_our_checkpoint_rebuilds_its_network(save):
    recipe = read_pipeline(
        "demo", ["model.width=4", "model.temporal_stride=true", "model.head=pool_first", "model.dropout=0.1"]
    )
    net = build_model(recipe.model, 3)
    path = save(checkpoint(net, recipe, CLASSES) | {"optimiser": {"state": {}}, "epoch": 3})
    rebuilt = load_network(path)
    assert same(net, rebuilt)
    assert (rebuilt.temporal_stride, rebuilt.head, rebuilt.dropout.p) == (True, "pool_first", 0.1)
    assert not rebuilt.training
    file = read_weights(path)
    assert (file.form, file.stage) == ("vidprep", recipe.model)
    assert file.classes == CLASSES
    assert torch.load(path)["class_list_hash"] == class_list_hash(CLASSES)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_network_of_a_file_without_recipe(depth, save):
    net = fresh(depth)
    rebuilt = load_network(save(net.state_dict()))
    assert (rebuilt.depth, rebuilt.width, rebuilt.num_classes) == (depth, 4, 3)
    assert same(net, rebuilt)


# --- 2D weights ---


def test_torchvision_s_names_and_shapes_all_find_their_place(save):
    """ResNet-50 has 25,557,032 parameters; all but the classifier's are taken over."""
    weights = {name: torch.zeros(shape) for name, shape in resnet50_2d_shapes().items()}
    assert sum(t.numel() for name, t in weights.items() if "running" not in name and t.ndim) == 25_557_032
    report = load_weights(i3d_resnet(50, 174), save(weights))
    assert len(report.loaded) == 320 - 2
    assert len(report.inflated) == 53
    assert report.left == report.reinitialised == ("fc.weight", "fc.bias")
    assert "53 of them inflated from 2D by 'mean'" in str(report)
    assert "drawn anew: fc.weight, fc.bias (the file has 1000 classes, the network 174)" in str(report)


@pytest.mark.parametrize(("inflation", "factor"), [("mean", 1), ("repeat", 3)])
def test_inflated_taps_are_alike_and_sum_to_the_2d_kernel(inflation, factor):
    kernel = torch.randn(5, 4, 3, 3, dtype=torch.float64)
    inflated = inflate(kernel, 3, inflation)
    assert inflated.shape == (5, 4, 3, 3, 3)
    torch.testing.assert_close(inflated.sum(2), factor * kernel)
    assert torch.equal(inflated[:, :, 0], inflated[:, :, 1])
    assert torch.equal(inflated[:, :, 0], inflated[:, :, 2])


def test_still_video_equals_the_2d_network_away_from_its_ends(save):
    """17 temporal convolutions of zero padding reach 17 frames in from either end, and no further."""
    weights = random_weights(resnet50_2d_shapes(width=8, num_classes=3))
    weights = {name: t.double() if t.is_floating_point() else t for name, t in weights.items()}
    for block_end in (name for name in weights if name.endswith("bn3.weight")):
        weights[block_end] *= 4  # convolutions outweigh shortcuts, so that an end is felt as far as it can be
    net = i3d_resnet(50, 3, width=8).double().eval()
    load_weights(net, save(weights))
    image = torch.randn(1, 3, 33, 33, dtype=torch.float64)
    with torch.no_grad():
        expected = resnet50_2d_features(weights, image)[:, :, None]
        error = {
            frames: (net.features(image[:, :, None].expand(-1, -1, frames, -1, -1)) - expected)
            .abs()
            .amax((0, 1, 3, 4))
            / expected.abs().max()
            for frames in (48, 32)
        }
    assert (error[48] < 1e-12).nonzero().flatten().tolist() == list(range(17, 48 - 17))
    assert (error[32] > 1e-9).all()


def test_repeat_is_recorded(save):
    weights = random_weights(resnet50_2d_shapes(width=4, num_classes=3))
    report = load_weights(fresh(), save(weights), inflation="repeat")
    assert report.inflation == "repeat"
    assert report.reinitialised == ()  # as many classes: the classifier is taken over


def test_inflated_weights_come_back_as_a_3d_file(save):
    weights = random_weights(resnet50_2d_shapes(width=4, num_classes=3))
    net = fresh().eval()
    load_weights(net, save(weights))
    other = load_network(save(net.state_dict(), "inflated.pth"))
    assert same(net, other)
    clips = torch.randn(1, 3, 5, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            other(clips), i3d_logits(net.state_dict(), clips, 50), rtol=1e-5, atol=1e-5
        )


# --- the classifier ---


def test_classifier_for_other_classes_is_drawn_anew(net, save):
    other = fresh(num_classes=50)
    torch.nn.init.ones_(other.fc.weight)
    report = load_weights(other, save(net.state_dict()))
    assert report.reinitialised == ("fc.weight", "fc.bias")
    assert other.fc.weight.abs().max() < 0.01
    assert torch.equal(other.layer4[2].conv3.weight, net.layer4[2].conv3.weight)


def test_classifier_may_be_missing(net, save):
    state = {name: t for name, t in net.state_dict().items() if not name.startswith("fc.")}
    report = load_weights(fresh(), save(state))
    assert "the file has no classifier, the network 3" in str(report)


# --- what is refused ---


def test_missing_file():
    with pytest.raises(CheckpointError, match=r"No file of weights at nowhere/x\.pth"):
        read_weights("nowhere/x.pth")


@pytest.mark.parametrize("two_d", [False, True])
def test_another_depth(save, two_d):
    state = fresh(101).state_dict()
    if two_d:
        state = {name: t[:, :, 0].clone() if t.ndim == 5 else t for name, t in state.items()}
    kind = "2D ResNet" if two_d else "I3D-ResNet"
    with pytest.raises(CheckpointError, match=rf"a {kind}-101; the network is an I3D-ResNet-50.*depth=101"):
        load_weights(fresh(50), save(state))


def test_another_width(net, save):
    message = r"'conv1.weight' has shape \(4, 3, 3, 7, 7\), the network needs \(8, .*Set model.width"
    with pytest.raises(CheckpointError, match=message):
        load_weights(fresh(width=8), save(net.state_dict()))


@pytest.mark.parametrize(("held", "needed"), [(3, 1), (1, 3)])
def test_another_number_of_taps(save, held, needed):
    message = rf"'conv1.weight' has shape .*Set model.temporal_taps={held}\.$"
    with pytest.raises(CheckpointError, match=message):
        load_weights(fresh(temporal_taps=needed), save(fresh(temporal_taps=held).state_dict()))


def test_another_shape(net, save):
    state = dict(net.state_dict())
    state["layer2.1.conv2.weight"] = torch.zeros(8, 8, 1, 3, 3)
    message = r"'layer2.1.conv2.weight' has shape \(8, 8, 1, 3, 3\), .* needs \(8, 8, 3, 3, 3\); 1 such"
    with pytest.raises(CheckpointError, match=message):
        load_weights(fresh(), save(state))


def test_missing_weights(net, save):
    state = {name: t for name, t in net.state_dict().items() if not name.startswith("bn1.running")}
    with pytest.raises(CheckpointError, match=r"weights are missing: bn1.running_mean, bn1.running_var\."):
        load_weights(fresh(), save(state))


def test_another_network(save):
    with pytest.raises(CheckpointError, match=r"holds no ResNet .* Found: features.0.weight\."):
        load_weights(fresh(), save({"features.0.weight": torch.zeros(3)}))


def test_no_network_can_be_built_from_2d_weights(save):
    with pytest.raises(CheckpointError, match="holds a 2D network"):
        load_network(save(random_weights(resnet50_2d_shapes(width=4))))


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"state_dict": {"a": 1}}])
def test_no_weights(save, content):
    with pytest.raises(CheckpointError, match="holds no weights under names"):
        read_weights(save(content))


def test_not_a_dictionary(save):
    with pytest.raises(CheckpointError, match="holds a Tensor, not a dictionary"):
        read_weights(save(torch.zeros(3)))


def test_checkpoint_with_a_part_missing(net, save):
    content = checkpoint(net, read_pipeline("demo"), CLASSES)
    del content["classes"]
    with pytest.raises(CheckpointError, match=r"a checkpoint of vidprep with a part missing .*'classes'"):
        read_weights(save(content))


def test_checkpoint_of_another_version(net, save):
    content = checkpoint(net, read_pipeline("demo"), CLASSES) | {"format": "vidprep checkpoint 2"}
    with pytest.raises(
        CheckpointError, match=r"'vidprep checkpoint 2'; this .* reads 'vidprep checkpoint 1'"
    ):
        read_weights(save(content))


def test_checkpoint_names_as_many_classes_as_the_network_has(net):
    with pytest.raises(ValueError, match="2 class names for a network of 3 classes"):
        checkpoint(net, read_pipeline("demo"), CLASSES[:2])


class RunsCode:
    def __reduce__(self):
        return os.mkdir, ("made_by_a_pickle",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_needs_code_is_refused_and_not_run(tmp_path, monkeypatch, legacy):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": {"w": RunsCode()}}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"asks for posix\.mkdir, and no code is run from a file"):
        read_weights(path)
    assert not (tmp_path / "made_by_a_pickle").exists()


def test_a_bare_pickle_is_refused(tmp_path):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(RunsCode(), protocol=2))
    with pytest.raises(CheckpointError):
        read_weights(tmp_path / "evil.pkl")


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut"])
def test_not_a_file_of_weights(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="Fetch it again"):
        read_weights(tmp_path / name)


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(CheckpointError, match="Fetch it again"):
        read_weights(tmp_path / "x.pth")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("legacy", [False, True])
def test_damaged_files_raise_nothing_else(tmp_path, legacy):
    stream = io.BytesIO()
    torch.save({"conv1.weight": torch.zeros(2, 2)}, stream, _use_new_zipfile_serialization=not legacy)
    rng, raw = random.Random(0), stream.getvalue()
    for number in range(300):
        damaged = bytearray(raw[: rng.randrange(len(raw))] if number % 3 == 0 else raw)
        for _ in range(number % 4):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "x.pth").write_bytes(damaged)
        try:
            read_weights(tmp_path / "x.pth")
        except CheckpointError as error:
            assert "x.pth" in str(error)


# --- ImageNet ---


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_imagenet_without_a_network_says_what_to_do(hub, monkeypatch):
    monkeypatch.setattr("vidprep.model.imagenet.SITE", "http://127.0.0.1:9")
    message = r"could not be downloaded from http://127.0.0.1:9/resnet50-19c8e357.pth .*--init"
    with pytest.raises(CheckpointError, match=message):
        fetch_imagenet(50)


def test_imagenet_file_of_another_content(hub):
    (hub / "resnet18-5c106cde.pth").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="not with the 5c106cde of its name"):
        fetch_imagenet(18)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": 5}, "its weights are 5, not tensors under names"),
        ({"classes": [1, 2, 3]}, r"'classes' is \[1, 2, 3\], not a list of names"),
        ({"classes": 7}, "'classes' is 7, not a list of names"),
    ],
)
def test_changed_parts_of_a_checkpoint_are_named(net, save, change, message):
    content = checkpoint(net, read_pipeline("demo"), CLASSES) | change
    with pytest.raises(CheckpointError, match=message):
        read_weights(save(content))


def test_a_width_that_the_weights_do_not_have_takes_no_memory(net, save):
    content = checkpoint(net, read_pipeline("demo", [f"model.depth={net.depth}"]), CLASSES)
    content["recipe"]["model"]["width"] = 10**9
    with pytest.raises(CheckpointError, match=r"width=1000000000, its first convolution has 4 "):
        load_network(save(content))
