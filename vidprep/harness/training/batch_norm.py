"""Batch norm with the statistics of all ranks, where a rank alone has too few clips for good ones."""

from typing import Any

import torch
import torch.distributed as dist
from torch import nn

# Fewer clips on a rank than this, and its own statistics are too noisy (recipe.md, section 4).
FEW_CLIPS = 8


class _SumOverRanks(torch.autograd.Function):
    """Sum over ranks; so is the gradient, for each rank's loss depends on the sum."""

    @staticmethod
    def forward(_: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, grad: torch.Tensor) -> torch.Tensor:
        total = grad.clone()
        dist.all_reduce(total)
        return total


def _sum_over_ranks(values: torch.Tensor) -> torch.Tensor:
    return _SumOverRanks.apply(values)  # type: ignore[no-any-return, no-untyped-call]


class CpuSyncBatchNorm3d(nn.BatchNorm3d):
    """What `torch.nn.SyncBatchNorm` is on GPUs, for processes on CPUs, which that one refuses.

    Maps (N, C, T, H, W) to the same shape. Mean and variance are those of all ranks' clips together.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise; in training by the statistics of all ranks, which also go into the running ones."""
        if not self.training:
            return super().forward(x)
        axes, column = (0, 2, 3, 4), (1, -1, 1, 1, 1)
        local = torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])])
        total = _sum_over_ranks(local)
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = x - mean.view(column)
        variance = _sum_over_ranks(centred.square().sum(axes)) / count
        self._note(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale.view(column) + self.bias.view(column)

    def _note(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def synchronise_batch_norm(net: nn.Module, device: torch.device) -> None:
    """Replace every batch norm of a network by one that takes statistics over all ranks; names stay."""
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm3d):
                setattr(parent, name, _synchronised(child, device))


def _synchronised(norm: nn.BatchNorm3d, device: torch.device) -> nn.Module:
    make = nn.SyncBatchNorm if device.type == "cuda" else CpuSyncBatchNorm3d
    assert norm.momentum is not None
    new = make(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    new.load_state_dict(norm.state_dict())
    return new.to(norm.weight.device)
