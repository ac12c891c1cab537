"""Which checkpoint, views and classes an evaluation takes, and what it refuses."""

import json

import pytest
import torch

from tests.helpers.runs.small_evaluation import NUM_CLASSES, VIEWS, run_evaluation, write_network
from vidprep.errors import CheckpointError, RecipeError, ShardError
from vidprep.harness.class_lists import class_list, network_classes
from vidprep.harness.evaluation.checkpoint_choice import choose_checkpoint
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.evaluation.view_choice import choose_head, choose_views
from vidprep.harness.run_folder import epoch_checkpoint_path, step_checkpoint_path
from vidprep.model import i3d_resnet
from vidprep.model.weight_files import read_weights
from vidprep.shards.manifest import file_sha256
from vidprep.shards.shard_set import ShardSet


def as_ibm(network, path):
    """The same weights in the form of IBM's files, without a recipe or classes."""
    tensors = torch.load(network, weights_only=True)["model"]
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}, path)
    return path


@pytest.fixture
def run_dir(shards, tmp_path):
    """A run of 5 epochs that has come to the second, and a bit further."""
    run_dir = tmp_path / "run"
    for epoch in (0, 1, 2):
        path = epoch_checkpoint_path(run_dir, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_network(path, shards, VIEWS, epoch=epoch, seed=epoch)
    write_network(step_checkpoint_path(run_dir, 25), shards, VIEWS)
    return run_dir


def remove_what_third_party_tars_lack(shards) -> None:
    """Take away what third-party tars do not have."""
    (shards / "manifest.json").unlink()


def test_of_a_run_the_last_epoch_is_taken(run_dir, caplog):
    chosen = choose_checkpoint(run_dir)
    assert chosen.path == epoch_checkpoint_path(run_dir, 2)
    assert (chosen.epoch, chosen.total_steps) == (2, 20)
    assert chosen.sha256 == file_sha256(chosen.path)
    assert "run has not finished: epoch 2 of 5. This is no figure to report" in caplog.text


def test_a_finished_run_is_not_warned_about(shards, run_dir, caplog):
    write_network(epoch_checkpoint_path(run_dir, 5), shards, VIEWS, epoch=5)
    assert choose_checkpoint(run_dir).epoch == 5
    assert not caplog.text


def test_a_folder_without_a_finished_epoch(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"is no run with a finished epoch: no checkpoints/epoch-NNNN.pt"
    ):
        choose_checkpoint(tmp_path)


def test_a_run_evaluates_to_its_last_epoch(run_dir, shards, tmp_path):
    results = run_evaluation(run_dir, shards, tmp_path / "out")
    assert results.checkpoint.epoch == 2
    assert results.checkpoint.path == str(epoch_checkpoint_path(run_dir, 2))


def test_ibms_form_gives_the_same_scores(evaluated, network, shards, tmp_path, caplog):
    ours = [f"eval_views.{name}={value}" for name, value in VIEWS.model_dump(exclude_none=True).items()]
    weights = as_ibm(network, tmp_path / "ibm.pth.tar")
    results = run_evaluation(weights, shards, tmp_path / "out", overrides=ours)
    assert results.views == VIEWS
    assert (results.top1, results.mean_per_class) == (
        read_results(evaluated).top1,
        read_results(evaluated).mean_per_class,
    )
    assert (results.recipe, results.checkpoint.epoch) == (None, None)
    assert (
        "does not say which classes it was trained on, nor in which order: only their number, 6"
        in caplog.text
    )


def test_views_of_a_file_without_recipe_are_those_of_the_shards(network, shards, tmp_path):
    weights, shard_set = read_weights(as_ibm(network, tmp_path / "ibm.pt")), ShardSet.open(shards)
    assert (
        choose_views(weights, shard_set, protocol=None, overrides=[]) == shard_set.manifest.recipe.eval_views
    )
    ours = read_weights(network)
    assert choose_views(ours, shard_set, protocol=None, overrides=[]) == VIEWS


@pytest.mark.parametrize(
    ("dataset", "temporal", "frame_step", "num_clips"),
    [("ssv2", "uniform_ibm", 1, 2), ("k400", "dense_ibm", 2, 10)],
)
def test_protocol_of_each_dataset(network, own_shards, dataset, temporal, frame_step, num_clips):
    manifest = own_shards / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"name":"ssv2"', f'"name":"{dataset}"'))
    weights, shard_set = read_weights(network), ShardSet.open(own_shards)
    views = choose_views(weights, shard_set, protocol="ibm", overrides=[])
    assert (views.temporal, views.frame_step, views.num_clips) == (temporal, frame_step, num_clips)
    assert (views.num_crops, views.crops) == (3, "ibm")
    assert (views.clip_len, views.crop_size) == (VIEWS.clip_len, VIEWS.crop_size)
    assert choose_head(weights, shard_set, protocol="ibm") == "per_frame"
    assert choose_head(weights, shard_set, protocol=None) == "per_frame"
    by_hand = choose_views(weights, shard_set, protocol="ibm", overrides=["eval_views.num_clips=5"])
    assert by_hand == views.model_copy(update={"num_clips": 5})


def test_protocol_in_the_results(network, shards, tmp_path):
    results = run_evaluation(network, shards, tmp_path, protocol="ibm")
    assert (results.protocol, results.views.num_clips, results.views.crops) == ("ibm", 2, "ibm")
    assert json.loads((tmp_path / "results.json").read_text())["protocol"] == "ibm"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.depth=34", "--set model.depth=34: an evaluation has only keys of eval_views to set"),
        ("eval_views.clips=3", r"epoch-0003.pt with --set .*unknown key 'eval_views.clips'. Did you mean"),
        ("eval_views.num_crops=2", r"eval_views.num_crops: Input should be 1 or 3, got 2"),
        (
            "eval_views.crop_size=65",
            r"eval_views: crop_size 65 does not fit into a 64x64 frame. Use a smaller",
        ),
    ],
)
def test_wrong_settings(network, shards, tmp_path, override, message):
    with pytest.raises(RecipeError, match=message):
        run_evaluation(network, shards, tmp_path / "out", overrides=[override])
    assert not (tmp_path / "out").exists()


def test_no_micro_batch_of_nothing(network, shards, tmp_path):
    with pytest.raises(ValueError, match="micro_batch must be at least 1, got 0"):
        run_evaluation(network, shards, tmp_path, micro_batch=0)


def rename_class(shards, old, new) -> None:
    """Give the shards another class list, as a build with other classes would."""
    names = [f"class {n}" for n in range(NUM_CLASSES)]
    entries = [{"class": new if name == old else name, "label": n} for n, name in enumerate(names)]
    (shards / "classes.json").write_text(json.dumps([entry for entry in entries if entry["class"]]))


def test_shards_with_another_class_list(network, own_shards, tmp_path):
    rename_class(own_shards, "class 3", "braiding hair")
    message = (
        r"checkpoint .*epoch-0003.pt was trained on class list \w{4}…, these shards hold \w{4}… "
        r"\(6 classes, first difference at index 3: 'class 3' / 'braiding hair'\)"
    )
    with pytest.raises(CheckpointError, match=message):
        run_evaluation(network, own_shards, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_shards_with_fewer_classes(network, own_shards, tmp_path):
    rename_class(own_shards, "class 5", "")
    with pytest.raises(CheckpointError, match=r"5 classes instead of 6, .* index 5: 'class 5' / no class"):
        run_evaluation(network, own_shards, tmp_path / "out")
    weights = as_ibm(network, tmp_path / "ibm.pt")
    with pytest.raises(CheckpointError, match=r"ibm.pt has 6 classes, .* has 5 classes. Use the shards of"):
        run_evaluation(weights, own_shards, tmp_path / "out")


def test_class_list_is_in_label_order(own_shards):
    entries = [{"class": name, "label": label} for label, name in enumerate("zyx")]
    (own_shards / "classes.json").write_text(json.dumps(entries[::-1]))
    assert class_list(ShardSet.open(own_shards)) == ("z", "y", "x")


def test_third_party_tars(evaluated, network, own_shards, tmp_path):
    """Their labels are numbers without names: enough to be scored by a network with its own recipe."""
    remove_what_third_party_tars_lack(own_shards)
    results = run_evaluation(network, own_shards, tmp_path / "out")
    assert results.top1 == read_results(evaluated).top1
    assert results.classes == read_results(evaluated).classes
    weights = read_weights(as_ibm(network, tmp_path / "ibm.pt"))
    assert network_classes(weights, ShardSet.open(own_shards)) == tuple("012345")
    with pytest.raises(ShardError, match=r"Neither .*ibm.pt nor .*small has a recipe"):
        run_evaluation(tmp_path / "ibm.pt", own_shards, tmp_path / "other")
    with pytest.raises(ShardError, match="has no manifest, so it is not known which dataset it is of"):
        run_evaluation(network, own_shards, tmp_path / "other", protocol="ibm")


def test_labels_of_third_party_tars_that_the_network_does_not_have(own_shards, tmp_path):
    remove_what_third_party_tars_lack(own_shards)
    torch.save(i3d_resnet(18, 3, width=4).state_dict(), tmp_path / "three.pt")
    with pytest.raises(CheckpointError, match=r"three.pt has 3 classes, .*small has labels up to 5"):
        network_classes(read_weights(tmp_path / "three.pt"), ShardSet.open(own_shards))


def test_checkpoint_of_another_form(shards, tmp_path):
    torch.save({"conv1.weight": torch.zeros(4, 3, 7, 7), "fc.weight": torch.zeros(6, 8)}, tmp_path / "2d.pt")
    with pytest.raises(
        CheckpointError, match=r"2d.pt: holds a 2D network. An I3D-ResNet with its classifier"
    ):
        run_evaluation(tmp_path / "2d.pt", shards, tmp_path / "out")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(CheckpointError, match=r"text.pt: not a PyTorch file, or damaged"):
        run_evaluation(tmp_path / "text.pt", shards, tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"No file of weights at .*nothing.pt"):
        run_evaluation(tmp_path / "nothing.pt", shards, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_shards_and_no_split(network, shards, tmp_path):
    with pytest.raises(ShardError, match=r"No folder .*nowhere\. Build a shard set first"):
        run_evaluation(network, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ShardError, match=r"has no split 'test'. It has: train, validation"):
        run_evaluation(network, shards, tmp_path / "out", split="test")
    assert not (tmp_path / "out").exists()
