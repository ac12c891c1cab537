"""Training runs whose temporal filters are known at every epoch."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from vidprep.harness.run_folder import CHECKPOINTS, FACTS, epoch_checkpoint_path
from vidprep.model import I3DResNet, i3d_resnet
from vidprep.model.weight_files import checkpoint
from vidprep.recipes.recipe import DatasetStage, ModelStage, Recipe

RECIPE = Recipe(
    name="made",
    title="Made",
    dataset=DatasetStage(name="ssv2"),
    model=ModelStage(depth=18, width=2),
)


def temporal_kernels(net: nn.Module) -> list[nn.Parameter]:
    return [m.weight for m in net.modules() if isinstance(m, nn.Conv3d) and m.kernel_size[0] == 3]


def set_taps(net: nn.Module, taps: Sequence[float]) -> None:
    """Make each kernel `taps` times the spatial pattern of its middle tap."""
    for kernel in temporal_kernels(net):
        pattern = kernel.data[:, :, 1:2].clone()
        kernel.data = torch.tensor(taps).view(1, 1, 3, 1, 1) * pattern


def small_net(seed: int = 0) -> I3DResNet:
    torch.manual_seed(seed)
    return i3d_resnet(18, 2, width=2)


def write_run(run: Path, nets: Mapping[int, I3DResNet]) -> Path:
    """A run's folder with a checkpoint for each epoch."""
    (run / CHECKPOINTS).mkdir(parents=True)
    (run / FACTS).write_text(json.dumps({}))
    for epoch, net in nets.items():
        torch.save(checkpoint(net, RECIPE, ("a", "b")), epoch_checkpoint_path(run, epoch))
    return run


def run_of_taps(run: Path, taps: Mapping[int, Sequence[float]]) -> Path:
    """A run whose filters all have the given taps, epoch by epoch."""
    nets = {}
    for epoch, each in taps.items():
        nets[epoch] = small_net()
        set_taps(nets[epoch], each)
    return write_run(run, nets)
