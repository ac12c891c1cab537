"""Batch norm with the statistics of all ranks, where a rank alone has too few clips for good ones."""

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

# With fewer clips on a rank than this, its own statistics are too noisy.
FEW_CLIPS = 8


class _SumOverRanks(torch.autograd.Function):
    """Sum over ranks. The gradient is summed, too, for each rank's loss depends on the sum."""

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


class CpuSyncBatchNorm(_BatchNorm):
    """Like `torch.nn.SyncBatchNorm`, which refuses CPUs: mean and variance of all ranks' samples together."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (N, C, ...); in training by the statistics of all ranks, and update the running ones."""
        if not self.training and self.running_mean is not None:
            return super().forward(x)
        axes, column = (0, *range(2, x.dim())), (1, -1, *(1,) * (x.dim() - 2))
        local = torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])])
        total = _sum_over_ranks(local)
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = x - mean.view(column)
        variance = _sum_over_ranks(centred.square().sum(axes)) / count
        if self.training:
            self._note(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps)
        if not self.affine:
            return centred * scale.view(column)
        return centred * (self.weight * scale).view(column) + self.bias.view(column)

    def _note(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        # Without a momentum, the running ones are those of all batches so far, as torch has it.
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Take maps of any number of axes."""


def synchronise_batch_norm(net: nn.Module, device: torch.device) -> None:
    """Replace every batch norm of a network by one that takes statistics over all ranks; names stay."""
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, _synchronised(child, device))


def _synchronised(norm: _BatchNorm, device: torch.device) -> nn.Module:
    make = nn.SyncBatchNorm if device.type == "cuda" else CpuSyncBatchNorm
    new = make(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    first = next((tensor for tensor in (norm.weight, norm.running_mean) if tensor is not None), None)
    if first is not None:
        new = new.to(first.device, first.dtype)
    new.load_state_dict(norm.state_dict())
    return new.train(norm.training)
