"""What only runs on a GPU, run with a GPU of make-believe: training, evaluation, ranks, memory, dtypes."""

from functools import partial

import pytest
import torch
from torch import nn

from tests.helpers.runs.fake_gpu import NAME, FakeGpu, fake_gpu
from tests.helpers.runs.known_runs import small_net
from tests.helpers.runs.tiny import options, run
from tests.load.test_transforms import batch
from vidprep.errors import HarnessError
from vidprep.harness import ranks
from vidprep.harness.conv_check import check_conv3d
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.ranks import Ranks, joined_ranks
from vidprep.harness.run_folder import read_facts, read_metrics
from vidprep.harness.training import run_facts, setup
from vidprep.harness.training.planning.plan import memory_of_rank
from vidprep.harness.training.setup import sgd
from vidprep.harness.training.step import BatchSplit, StepSettings, train_step
from vidprep.model.network import put_on
from vidprep.recipes.recipe import Optimisation

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")


@pytest.fixture
def small_check(monkeypatch):
    """The check of 3D convolutions, of few channels; returns where it was done."""
    checked = []

    def check(device, **shape):
        checked.append(device)
        return check_conv3d(device, channels=2, frames=(4,), size=4)

    monkeypatch.setattr(run_facts, "check_conv3d", check)
    return checked


def train(shards, out, *words):
    words = ["train", "--shards", shards, "--out", out, "--log-every", 1, "--workers", 0, *words]
    return run(*words, *options(optimisation__epochs=1, validation__every=1))


def losses(run_dir):
    """Of each step, and of the validation."""
    return [line.get("loss", line.get("validation_loss")) for line in read_metrics(run_dir)]


@pytest.mark.slow
def test_a_training_and_its_evaluation(tiny_shards, tmp_path, small_check):
    train(tiny_shards, tmp_path / "cpu", "--device", "cpu", "--precision", "bf16")
    with fake_gpu() as gpu:
        said = train(tiny_shards, tmp_path / "gpu")
        words = ["eval", "--shards", tiny_shards, "--checkpoint", tmp_path / "gpu", "--workers", 0]
        run(*words, "--out", tmp_path / "eval")
    assert f"are available for it on {NAME}" in said and "bfloat16" in said
    # Clips in bfloat16 on both; the optimiser of a GPU is a fused one.
    assert len(losses(tmp_path / "gpu")) == 4
    assert losses(tmp_path / "gpu") == pytest.approx(losses(tmp_path / "cpu"), rel=2e-3)
    assert small_check == [torch.device("cpu"), GPU]
    (start,) = read_facts(tmp_path / "gpu")["starts"]
    assert (start["precision"], start["environment"]["device"]) == ("bf16", NAME)
    results = read_results(tmp_path / "eval")
    assert (results.environment["precision"], results.environment["device"]) == ("bf16", NAME)
    assert results.all_stored_scored
    # Three steps, seven videos of the validation, seven of the evaluation: copied late, and waited for.
    assert gpu.num_late == gpu.calls.count("record") == gpu.calls.count("wait") == 3 + 7 + 7
    assert gpu.calls.count("pin") == gpu.calls.count("unpin") == 3
    assert {"set_device", "reset_peak_memory_stats", "max_memory_allocated", "synchronize"} <= set(gpu.calls)


def test_float32_where_it_is_asked_for(tiny_shards, tmp_path, small_check):
    train(tiny_shards, tmp_path / "cpu", "--device", "cpu")
    with fake_gpu():
        assert "float32" in train(tiny_shards, tmp_path / "gpu", "--precision", "fp32")
    assert losses(tmp_path / "gpu") == pytest.approx(losses(tmp_path / "cpu"), rel=1e-4)
    assert not small_check  # there is nothing to compare


def test_a_pass_that_a_gpu_has_no_memory_for_is_refused(tiny_shards, tmp_path):
    with fake_gpu(memory=1 << 20) as gpu:
        words = ["train", "--shards", tiny_shards, "--out", tmp_path / "run", "--device", "cuda"]
        said = run(*words, "--workers", 0, *options(), expect=1)
        assert memory_of_rank(GPU) == gpu.memory
    assert f"are available for it on {NAME}, so nothing was begun" in said
    assert not (tmp_path / "run").exists()


def test_memory_that_pytorch_keeps_is_available():
    with fake_gpu(memory=5 << 30):
        torch.cuda.memory_reserved = lambda *_: 3 << 30  # undone by the end of the block
        torch.cuda.memory_allocated = lambda *_: 1 << 30
        assert memory_of_rank(GPU) == 7 << 30


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch):
    taken, joined = [], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(ranks, "rendezvous", lambda *_, **__: iter([(ranks.dist.HashStore(), 5, 8)]))
    monkeypatch.setattr(ranks, "store_of_this_start", lambda store, *_: store)
    monkeypatch.setattr(ranks.dist, "init_process_group", lambda backend, **_: joined.append(backend))
    monkeypatch.setattr(ranks.dist, "destroy_process_group", lambda: joined.append("left"))
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    with joined_ranks() as here:
        assert here == Ranks(5, 8, torch.device("cuda", 1))
    assert taken == [torch.device("cuda", 1)]
    assert joined == ["cpu:gloo,cuda:nccl", "left"]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with (
        pytest.raises(HarnessError, match=r"Process 2 of this machine has no GPU: there are 2\. Start"),
        joined_ranks(),
    ):
        pass


def test_the_network_of_several_gpus(monkeypatch, tmp_path, tiny_shards):
    spread = []

    def wrapped(net, device_ids):
        spread.append(device_ids)
        return net

    monkeypatch.setattr(setup, "DistributedDataParallel", wrapped)
    request = setup.TrainRequest(str(tiny_shards), tmp_path, None)
    with fake_gpu():
        net = setup._spread(small_net(), request, Ranks(0, 2, GPU), BatchSplit(8, 1, 2))
    assert spread == [[GPU]]
    assert any(isinstance(layer, nn.SyncBatchNorm) for layer in net.modules())  # 4 clips on each


def test_weights_gradients_and_momentum_stay_in_float32():
    """Convolutions compute in bfloat16; what is added up over steps does not."""
    net = small_net().train()
    put_on(net, CPU)
    computed = {}
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv3d | nn.BatchNorm3d | nn.Linear):
            layer.register_forward_hook(
                lambda _layer, _inputs, out, name=name: computed.__setitem__(name, out.dtype)
            )
    clips = batch(torch.zeros(2, 4, 32, 32, 3, dtype=torch.uint8), (0, 0, 32, 32), crop_size=32)
    optimiser = sgd(net, Optimisation(lr=0.1), GPU)  # the fused one, which runs on a CPU as well
    assert optimiser.defaults["fused"]
    settings = StepSettings(BatchSplit(2, 1, 1), CPU, "bf16", "linear", 0.0, (), 0)
    result = train_step(net, optimiser, iter([clips]), settings, epoch=0)
    assert result.loss.dtype == torch.float32
    for name, dtype in computed.items():
        assert dtype == (torch.float32 if name == "fc" else torch.bfloat16), name
    assert sum(isinstance(layer, nn.Conv3d) for layer in net.modules()) > 8
    for parameter in net.parameters():
        momentum = optimiser.state[parameter]["momentum_buffer"]
        assert parameter.dtype == parameter.grad.dtype == momentum.dtype == torch.float32
    assert all(statistic.dtype != torch.bfloat16 for statistic in net.buffers())


@pytest.mark.parametrize("place", ["train", "eval"])
def test_a_gpu_that_runs_out_of_memory_after_all(place, tiny_shards, tmp_path, small_check, monkeypatch):
    """The estimate was too low, or another program took what was free."""
    with fake_gpu():
        train(tiny_shards, tmp_path / "run")
        monkeypatch.setattr(
            "vidprep.harness.training.step.to_network_input"
            if place == "train"
            else "vidprep.harness.evaluation.logits.to_network_input",
            partial(_out_of_memory),
        )
        words = [place, "--shards", tiny_shards, "--out", tmp_path / "out", "--workers", 0]
        words += options(validation__every=0) if place == "train" else ["--checkpoint", tmp_path / "run"]
        said = run(*words, expect=1)
    assert ("No memory on cuda:0 for a pass of 8 clips: --micro-batch 4" in said) == (place == "train")
    assert ("Lower --micro-batch below" in said) == (place == "eval")


def _out_of_memory(*_args, **_options):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_the_double_tells_cuda_from_the_cpu():
    gpu = FakeGpu()
    source = torch.arange(4)
    with gpu:
        assert not source.is_cuda and source.to("cuda").device == CPU  # pageable memory: copied at once
        gpu.pin(source.data_ptr(), source.nbytes, 0)
        copy = source.to("cuda", non_blocking=True)
        assert copy.is_cuda and copy.device == GPU and gpu.num_late == 1
        source[0] = 9
        assert (copy + 0).tolist() == [9, 1, 2, 3]
