"""Two processes with half of the clips each compute what one computes with all."""

import copy
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.helpers.runs.tiny import free_port
from vidprep.harness.training.batch_norm import CpuSyncBatchNorm, synchronise_batch_norm
from vidprep.model import i3d_resnet


def clips() -> torch.Tensor:
    return torch.randn(4, 3, 2, 5, 6, generator=torch.Generator().manual_seed(0)) * 3 + 7


def norm_and_gradient(norm: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    x = x.clone().requires_grad_()
    nn.init.constant_(norm.weight, 1.5)
    for _ in range(2):
        out = norm(x)
    (out * torch.linspace(-1, 1, out[0].numel()).view_as(out[0]) ** 3).sum().backward()
    return {"out": out.detach(), "x": x.grad, "weight_grad": norm.weight.grad, **norm.state_dict()}


def half(rank: int, port: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    found = norm_and_gradient(CpuSyncBatchNorm(3), clips()[2 * rank : 2 * rank + 2])
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_output_gradients_and_running_statistics_are_those_of_the_whole_batch(tmp_path):
    mp.start_processes(half, args=(free_port(), str(tmp_path)), nprocs=2, start_method="spawn")
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    whole = norm_and_gradient(nn.BatchNorm3d(3), clips())
    for name in ("out", "x"):
        assert torch.allclose(torch.cat([part[name] for part in halves]), whole[name], atol=1e-5), name
    # A rank's gradient is its share; DistributedDataParallel adds them up.
    assert torch.allclose(
        halves[0]["weight_grad"] + halves[1]["weight_grad"], whole["weight_grad"], rtol=1e-4
    )
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        for part in halves:
            assert torch.allclose(part[name], whole[name], rtol=1e-5), name


def test_a_whole_network_is_converted_and_keeps_its_names_and_weights():
    net = i3d_resnet(18, 3, width=2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    synchronise_batch_norm(net, torch.device("cpu"))
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    assert len(norms) == 20 and all(isinstance(norm, CpuSyncBatchNorm) for norm in norms)
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())
    on_gpu = i3d_resnet(18, 3, width=2)
    synchronise_batch_norm(on_gpu, torch.device("cuda"))
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in on_gpu.modules()) == 20


@pytest.fixture
def one_rank():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (nn.BatchNorm1d(3), (8, 3)),
        (nn.BatchNorm2d(3, momentum=None), (4, 3, 5, 6)),
        (nn.BatchNorm3d(3, affine=False), (4, 3, 2, 5, 6)),
        (nn.BatchNorm2d(3, track_running_stats=False), (4, 3, 5, 6)),
        (nn.BatchNorm3d(3, eps=0.1).double(), (4, 3, 2, 5, 6)),
    ],
)
def test_every_kind_of_batch_norm_computes_what_it_did(one_rank, norm, shape):
    ours = nn.Sequential(copy.deepcopy(norm))
    synchronise_batch_norm(ours, torch.device("cpu"))
    assert isinstance(ours[0], CpuSyncBatchNorm)
    precision = next(iter(norm.state_dict().values()), torch.zeros(1)).dtype
    for seed in range(3):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=precision) * 3 + 7
        assert torch.allclose(ours(x), norm(x), atol=1e-5)
    assert all(torch.allclose(ours[0].state_dict()[name], value) for name, value in norm.state_dict().items())
    assert torch.allclose(ours.eval()(x), norm.eval()(x), atol=1e-5)
