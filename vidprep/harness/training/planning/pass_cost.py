"""Memory and time of a pass: one clip is run forward and backward, passes of more clips are extrapolated.

A pass keeps tensors (activations) until its gradients are computed from them; that is nearly all its memory,
and it grows with the number of clips. So one clip is run: what it keeps is counted, what it takes in all is
measured.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from vidprep.harness.device import Precision, autocast_dtype, computing_in
from vidprep.model.network import Network, build_network, put_on
from vidprep.recipes.recipe import ModelStage

# The measurement of a small clip is mostly noise, so it is limited to this share above what the pass keeps:
# passes of five networks took 1.40 to 1.63 times what they keep on a CPU.
_MOST_BESIDES = 0.55
_CODE_BYTES = 64 << 20  # libraries and threads that come with the first pass of a process

_SMALL = (8, 64, 64)  # frames, height and width of the clip that is run first, at most

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # see man 5 proc, /proc/pid/clear_refs


@dataclass(frozen=True)
class PassCost:
    """What training takes of a device's memory, and of its time.

    Attributes:
        num_parameters: Parameters of the network.
        num_macs: Multiply-accumulates of one clip, forward.
        per_clip_bytes: Bytes that a pass takes for each of its clips.
        seconds_per_clip: Seconds of one clip, forward and backward; None where it was not measured.
        copies: Float32 numbers for each parameter: itself, gradient and momentum; 4 with an average (EMA).
    """

    num_parameters: int
    num_macs: int
    per_clip_bytes: int
    seconds_per_clip: float | None = None
    copies: int = 3

    def of(self, num_clips: int) -> int:
        """Return the bytes of a training with passes of `num_clips`."""
        return _CODE_BYTES + self.copies * 4 * self.num_parameters + num_clips * self.per_clip_bytes


def measure_pass(
    stage: ModelStage,
    num_classes: int,
    clip_shape: tuple[int, ...],
    *,
    device: torch.device,
    precision: Precision,
    available_bytes: int | None = None,
) -> PassCost:
    """Return what a pass takes, by running one clip through a network of the same shape, which is then freed.

    The state of torch's random number generators stays as it is.

    Args:
        stage: The network.
        num_classes: Classes of the network.
        clip_shape: (3, T, H, W).
        device: Where to compute.
        precision: Number format of the convolutions.
        available_bytes: Memory that there is. If one clip would not fit, only a smaller one is run, and its
            cost is scaled up; no time is measured then.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        net = build_network(stage, num_classes).train()
        put_on(net, device)
        num_parameters = sum(parameter.numel() for parameter in net.parameters())
        # A user's own network may take clips of one size only.
        small = clip_shape[1:] if stage.factory else tuple(map(min, clip_shape[1:], _SMALL))
        kept, macs = _pass_of_one(net, (3, *small), device, precision)  # loads code, too
        larger = math.prod(clip_shape[1:]) / math.prod(small)
        scaled = PassCost(num_parameters, round(macs * larger), round(kept * larger))
        if available_bytes is not None and scaled.of(1) > available_bytes:
            return scaled
        before, began = start_peak(device), time.perf_counter()
        kept, macs = _pass_of_one(net, clip_shape, device, precision)
        seconds, peak = time.perf_counter() - began, peak_bytes(device)
    taken = 0 if before is None or peak is None else peak - before
    per_clip = min(max(taken, kept), int((1 + _MOST_BESIDES) * kept))
    return PassCost(num_parameters, macs, per_clip, seconds)


def _pass_of_one(
    net: Network, clip_shape: tuple[int, ...], device: torch.device, precision: Precision
) -> tuple[int, int]:
    """Run one clip forward and backward; return bytes kept for gradients, and multiply-accumulates."""
    weights = {parameter.untyped_storage()._cdata for parameter in net.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes()
        return tensor  # which keeps it alive, so that no other tensor gets its number

    macs: list[int] = []

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        assert isinstance(layer.weight, torch.Tensor)
        macs.append(out.numel() * math.prod(layer.weight.shape[1:]))

    counted = [layer for layer in net.modules() if isinstance(layer, nn.Conv3d | nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in counted]
    clip = torch.zeros(1, *clip_shape, device=device).to(memory_format=torch.channels_last_3d)
    label, autocast = torch.zeros(1, dtype=torch.long, device=device), autocast_dtype(precision)
    with computing_in(precision), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            logits = net(clip)
        cross_entropy(logits.float(), label).backward()  # type: ignore[no-untyped-call]
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    for hook in hooks:
        hook.remove()
    return sum(kept.values()), sum(macs)


def start_peak(device: torch.device) -> int | None:
    """Forget the peak so far; return the bytes in use, or None where the system does not tell."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return None
    return _status("VmRSS")


def peak_bytes(device: torch.device) -> int | None:
    """Return the most bytes in use since `start_peak`, or None where the system does not tell."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
