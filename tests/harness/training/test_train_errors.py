"""What can be wrong with a training, and what is said about it."""

import json
import shutil

import pytest
import torch
from filelock import FileLock

from tests.helpers.runs.tiny import options, run
from tests.helpers.sets.numbered import encode, sample, write_shard_set
from vidprep.errors import CheckpointError, HarnessError
from vidprep.harness.ranks import joined_ranks
from vidprep.harness.run_folder import epoch_checkpoints, read_metrics, step_checkpoints
from vidprep.harness.training.checkpoints import Keep, Position, prune_checkpoints, save_checkpoint
from vidprep.harness.training.loop import check_run_folder, train_to_the_end
from vidprep.harness.training.planning.plan import split_batch
from vidprep.harness.training.recipe_choice import training_recipe
from vidprep.harness.training.setup import set_up_training
from vidprep.harness.training.state import TrainRequest
from vidprep.harness.training.step import BatchSplit, train_step
from vidprep.load import LoaderOptions
from vidprep.model import i3d_resnet
from vidprep.model.weight_files import checkpoint
from vidprep.recipes.pipelines import override_recipe
from vidprep.shards.shard_set import ShardSet
from vidprep.stop_signals import StopSignals

INLINE = LoaderOptions(num_workers=0)


def recipe_of(shards, *overrides):
    return training_recipe(ShardSet.open(shards), None, [*options()[1::2], *overrides])[0]


def set_up(shards, run_dir, *overrides, **more):
    request = TrainRequest(
        shards=str(shards), run_dir=run_dir, recipe=recipe_of(shards, *overrides), loading=INLINE, **more
    )
    with joined_ranks("cpu") as ranks:
        return set_up_training(request, ranks)


def test_no_shards(tmp_path):
    said = run("train", "--shards", tmp_path / "none", "--out", tmp_path / "run", expect=1)
    assert f"No folder {tmp_path}/none" in said and "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_shards_without_the_training_split(tmp_path):
    data = encode(8, 0, width=64, height=64, path=tmp_path)
    shards = write_shard_set(tmp_path / "s", [sample("validation", "a", 0, data, 8, 64, 64)], per_shard=5)
    said = run("train", "--shards", shards, "--out", tmp_path / "run", *options(), expect=1)
    assert "has no split 'train'. It has: validation." in said


def test_a_gpu_that_is_not_there(tiny_shards, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", "--device", "cuda"]
    said = run(*words, *options(), expect=1)
    assert (
        "--device cuda was asked for, but PyTorch" in said
        and "sees no GPU" in said
        and "Traceback" not in said
    )


def test_a_recipe_of_another_dataset(tiny_shards, tmp_path):
    said = run("train", "--shards", tiny_shards, "--out", tmp_path / "run", "--recipe", "k400", expect=1)
    assert f"Recipe 'k400' is for k400, {tiny_shards} holds ssv2." in said


def test_a_recipe_replaces_what_is_done_and_not_what_the_shards_are(tiny_shards):
    recipe, note = training_recipe(ShardSet.open(tiny_shards), "mini_ssv2", ())
    assert recipe.name == "numbered" and recipe.optimisation.batch_size == 24 and note is None


def test_an_unknown_key(tiny_shards, tmp_path):
    words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", "--set", "optimisation.epoch=3"]
    said = run(*words, expect=1)
    assert "unknown key 'optimisation.epoch'. Did you mean 'optimisation.epochs'?" in said


def test_a_crop_larger_than_the_frames(tiny_shards, tmp_path):
    with pytest.raises(HarnessError, match=r"crop_size 224 does not fit into a 64x64 frame.*train_clip"):
        set_up(tiny_shards, tmp_path, "train_clip.crop_size=224")


def test_batches_that_cannot_be_spread():
    with pytest.raises(HarnessError, match="batch_size 24 cannot be spread evenly over 16 processes"):
        split_batch(24, None, 16)
    with pytest.raises(
        HarnessError, match=r"--micro-batch 5 does not divide the 12 clips.*1, 2, 3, 4, 6, 12"
    ):
        split_batch(24, 5, 2)
    assert split_batch(24, None, 8) == BatchSplit(24, 1, 8)
    assert split_batch(24, 4, 2).num_micro_batches == 3 and split_batch(24, 100, 2).per_pass == 12


@pytest.mark.parametrize(
    ("batch", "micro_batch", "ranks", "smaller"),
    [(24, None, 1, 12), (36, None, 4, 3), (20, None, 4, 1), (24, 8, 1, 4), (2, 1, 1, 1)],
)
def test_the_smaller_pass_that_is_advised_is_one_that_can_be_had(batch, micro_batch, ranks, smaller):
    assert split_batch(batch, micro_batch, ranks).smaller_pass() == smaller
    assert split_batch(batch, smaller, ranks).per_pass == smaller


def test_a_batch_larger_than_the_split(tiny_shards, tmp_path):
    with pytest.raises(HarnessError, match="has 24 training videos, less than a batch of 32"):
        set_up(tiny_shards, tmp_path, "optimisation.batch_size=32")


def test_a_folder_with_a_run_or_with_something_else(tiny_shards, tmp_path):
    training = set_up(tiny_shards, tmp_path / "run")
    save_checkpoint(training.checkpoint(), training.position, tmp_path / "run")
    with pytest.raises(HarnessError, match=r"holds a run already\. Add --resume"):
        check_run_folder(tmp_path / "run", resume=False)
    check_run_folder(tmp_path / "run", resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(HarnessError, match="is not empty and holds no run"):
        check_run_folder(tmp_path / "other", resume=True)
    check_run_folder(tmp_path / "new", resume=True)


def test_another_recipe_seed_or_shard_set_is_not_resumed(tiny_shards, tmp_path):
    training = set_up(tiny_shards, tmp_path / "run")
    save_checkpoint(training.checkpoint(), training.position, tmp_path / "run")
    with pytest.raises(
        HarnessError, match=r"optimisation.lr is 0.002 there and 0.5 now.*the seed is 0 .* 3 now"
    ):
        set_up(tiny_shards, tmp_path / "run", "optimisation.lr=0.5", seed=3)
    others = shutil.copytree(tiny_shards, tmp_path / "others")
    manifest = json.loads((others / "manifest.json").read_text())
    (others / "manifest.json").write_text(json.dumps(manifest | {"source_sha256": "other"}))
    with pytest.raises(HarnessError, match="trained on other shards than"):
        set_up(others, tmp_path / "run")


def test_a_run_with_other_classes_is_not_resumed(tiny_shards, tmp_path):
    training = set_up(tiny_shards, tmp_path / "run")
    content = training.checkpoint()
    content["classes"][2] = "juggling"
    save_checkpoint(content, training.position, tmp_path / "run")
    with pytest.raises(Exception, match="first difference at index 2: 'juggling' / 'class 2'"):
        set_up(tiny_shards, tmp_path / "run")


def test_weights_in_the_place_of_a_checkpoint_are_passed_over(tiny_shards, tmp_path, caplog):
    training = set_up(tiny_shards, tmp_path / "run")
    save_checkpoint(training.checkpoint(), training.position, tmp_path / "run")
    bare = checkpoint(training.bare, training.request.recipe, training.classes)
    save_checkpoint(bare, Position(1, 0, training.position.per_epoch), tmp_path / "run")
    assert set_up(tiny_shards, tmp_path / "run").position.total_steps == 0
    assert "epoch-0001.pt: not a checkpoint of a training: it has no position" in caplog.text
    (tmp_path / "run/checkpoints/epoch-0000.pt").unlink()
    with pytest.raises(CheckpointError, match=r"it has no position, tally.*--init"):
        set_up(tiny_shards, tmp_path / "run")


def test_weights_of_another_depth(tiny_shards, tmp_path):
    recipe = recipe_of(tiny_shards)
    deeper = override_recipe(recipe, ["model.depth=34"], origin="test")
    net = i3d_resnet(34, 4, width=4)
    torch.save(checkpoint(net, deeper, ("a", "b", "c", "d")), tmp_path / "deep.pt")
    with pytest.raises(Exception, match=r"holds a I3D-ResNet-34; the network is an I3D-ResNet-18"):
        set_up(tiny_shards, tmp_path / "run", init=tmp_path / "deep.pt")


def test_a_loss_that_is_no_number_stops_and_names_the_clips(tiny_shards, tmp_path):
    words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", "--log-every", 1, "--workers", 1]
    said = run(*words, *options(optimisation__lr=1e30), expect=1)
    assert "The loss is nan with the clips train-v" in said and said.count("train-v") == 8
    assert "--set optimisation.lr=" in said and "Traceback" not in said
    assert list(epoch_checkpoints(tmp_path / "run")) == [0], "the last good one is kept"


class Greedy(torch.nn.Module):
    """Wants a petabyte for every clip."""

    def forward(self, clips, _):
        return torch.empty(len(clips), 1 << 48)


def test_a_pass_that_does_not_fit_into_memory_says_what_to_lower(tiny_shards, tmp_path):
    training = set_up(tiny_shards, tmp_path / "run")
    with pytest.raises(HarnessError, match=r"No memory on cpu for a pass of 8 clips: --micro-batch 4 gives"):
        train_step(Greedy(), training.optimiser, iter(training.loader), training.settings, epoch=0)


class NoCompiler(RuntimeError):
    """As PyTorch's own, whose import takes seconds."""

    __module__ = "torch._inductor.exc"


class Uncompiled(torch.nn.Module):
    """Fails as a compiled network does on a machine without a C++ compiler."""

    def forward(self, clips, _):
        raise NoCompiler("InvalidCxxCompiler: No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")


def test_a_machine_that_cannot_compile(tiny_shards, tmp_path):
    training = set_up(tiny_shards, tmp_path / "run")
    message = r"No working C\+\+ compiler found\. Leave --compile out"
    with pytest.raises(HarnessError, match=message):
        train_step(Uncompiled(), training.optimiser, iter(training.loader), training.settings, epoch=0)


def test_a_video_that_does_not_decode_stops_the_training_or_is_left_out_by_leave(tmp_path):
    videos = [encode(8, video, width=64, height=64, path=tmp_path) for video in range(8)]
    videos[3] = videos[3][:400]
    samples = [sample("train", f"v{n}", n % 2, data, 8, 64, 64) for n, data in enumerate(videos)]
    shards = write_shard_set(tmp_path / "shards", samples, per_shard=8)
    words = ["train", "--shards", shards, "--log-every", 1, "--workers", 1, *options(optimisation__epochs=2)]
    said = run(*words, "--out", tmp_path / "a", expect=1)
    assert "train-v3" in said and "max_decode_errors is 0" in said and "Traceback" not in said
    said = run(*words, "--out", tmp_path / "b", "--max-decode-errors", 2)
    assert said.count("It is missing from its batch") == 2 and len(read_metrics(tmp_path / "b")) == 2


def test_a_video_whose_bytes_changed_stops_the_training(tiny_shards, tmp_path):
    shards = shutil.copytree(tiny_shards, tmp_path / "shards")
    index = ShardSet.open(shards).split("train").index.to_pylist()[3]
    with (shards / index["shard"]).open("r+b") as tar:
        tar.seek(index["mp4_offset"] + index["mp4_size"] // 2)
        tar.write(b"\0" * 300)
    words = ["train", "--shards", shards, "--log-every", 1, "--workers", 1]
    said = run(*words, "--out", tmp_path / "a", *options(), expect=1)
    assert index["key"] in said and "Traceback" not in said


def test_weights_that_are_no_numbers_are_not_saved(tiny_shards, tmp_path):
    """The loss of a step is that before it; the step itself may overflow."""
    training = set_up(tiny_shards, tmp_path / "run")
    training.bare.fc.bias.data[1] = float("inf")
    with pytest.raises(HarnessError, match=r"After 0 steps fc.bias holds numbers that are not finite"):
        train_to_the_end(training, StopSignals())
    assert not epoch_checkpoints(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "{", r"run.json is damaged \(.*Delete it and --resume"),
        ("run.json", "[]", r"run.json is damaged \(.*Delete it and --resume"),
        (
            "metrics.jsonl",
            '{"step": 1}\n{"st\n',
            r"metrics.jsonl holds a line .*\(line 2: .*Delete that",
        ),
    ],
)
def test_a_damaged_record_is_named_and_not_overwritten(tiny_shards, tmp_path, name, content, message):
    training = set_up(tiny_shards, tmp_path / "run")
    training.position = Position(1, 0, training.position.per_epoch)
    path = tmp_path / "run" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(HarnessError, match=message):
        train_to_the_end(training, StopSignals())
    assert path.read_text() == content


def test_two_trainings_at_once_in_one_folder(tiny_shards, tmp_path):
    training = set_up(tiny_shards, tmp_path / "run")
    (tmp_path / "run").mkdir()
    busy = pytest.raises(HarnessError, match=r"Another training is at work in .*run\. Wait for it")
    with FileLock(tmp_path / "run" / "lock"), busy:
        train_to_the_end(training, StopSignals())
    assert [path.name for path in (tmp_path / "run").iterdir()] in ([], ["lock"])
    check_run_folder(tmp_path / "run", resume=True)  # a lock alone is no reason to refuse


def test_a_file_in_the_place_of_the_run(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(HarnessError, match="run is a file, and a run is a folder"):
        check_run_folder(tmp_path / "run", resume=True)


def test_which_checkpoints_are_kept(tmp_path):
    net = i3d_resnet(18, 2, width=1)
    for epoch, step in [
        (0, 0),
        (0, 3),
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
        (4, 2),
        (5, 0),
        (6, 0),
        (7, 0),
        (7, 1),
    ]:
        save_checkpoint({"model": net.state_dict()}, now := Position(epoch, step, 5), tmp_path)
        prune_checkpoints(tmp_path, Keep(last=2, every=3), now, epochs=8)
    assert list(epoch_checkpoints(tmp_path)) == [0, 3, 6, 7]
    assert list(step_checkpoints(tmp_path)) == [36]
    save_checkpoint({"model": net.state_dict()}, Position(8, 0, 5), tmp_path)
    prune_checkpoints(tmp_path, Keep(last=2, every=3), Position(8, 0, 5), epochs=8)
    assert list(epoch_checkpoints(tmp_path)) == [0, 3, 6, 8] and list(step_checkpoints(tmp_path)) == [36]


def test_a_damaged_checkpoint_does_not_push_out_the_good_ones_before_it(tmp_path):
    for position in (Position(1, 0, 5), Position(1, 2, 5), Position(2, 0, 5)):
        save_checkpoint({}, position, tmp_path)
    # The one after 2 epochs cannot be read: the run went on from step 7, and is at step 8 now.
    save_checkpoint({}, Position(1, 3, 5), tmp_path)
    prune_checkpoints(tmp_path, Keep(last=1, every=5), Position(1, 3, 5), epochs=8)
    assert list(step_checkpoints(tmp_path)) == [8] and list(epoch_checkpoints(tmp_path)) == [2]
