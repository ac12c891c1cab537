"""What benchmarks/gpu.py looks at beside speed: bfloat16, NCCL, and copies out of pinned memory."""

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from parts.steps import CUDA, DEVICE, NUM_CLASSES, BareSteps, in_turn, ratio, timed, with_size
from vidprep.harness.conv_check import check_conv3d
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.model import i3d_resnet
from vidprep.shards.shard_set import ShardSet

BACKEND = "nccl" if CUDA else "gloo"
CONVOLUTION = {} if CUDA else {"channels": 4, "frames": (4,), "size": 8}
MOVED_BYTES = 512 << 20 if CUDA else 1 << 20
NUM_BATCHES = 6


def bf16_line():
    """A 3D convolution in bfloat16 against float32: how wrong, how fast."""
    check = check_conv3d(DEVICE, **CONVOLUTION)
    return (
        f"3D convolution in bfloat16, forward and weight gradient: {check.error:.2%} of the largest value "
        f"off float32, {1 / check.slowdown:.2f} times as fast. {check.warning() or 'As it should be.'}"
    )


def pinned_line(shards, size):
    """Copies out of the loader's pinned memory: the same clips as without, and how fast memory moves."""
    wanted = _clips(shards, size, pin_memory=False)
    found = _clips(shards, size, pin_memory=CUDA)
    num_same = sum(torch.equal(one, other) for one, other in zip(wanted, found, strict=True))
    pageable = torch.zeros(MOVED_BYTES, dtype=torch.uint8)
    pinned = pageable.pin_memory() if CUDA else pageable
    seconds = {
        name: min(
            timed(lambda memory=memory: memory.to(DEVICE, non_blocking=True, copy=True)) for _ in range(5)
        )
        for name, memory in (("pinned", pinned), ("pageable", pageable))
    }
    rates = ", ".join(f"{MOVED_BYTES / each / 1e9:.1f} GB/s {name}" for name, each in seconds.items())
    return f"Copies to the device: {num_same} of {len(wanted)} batches the same to the bit; {rates}."


def _clips(shards, size, pin_memory):
    """Batches on the device, copied while the loader goes on with its two slots."""
    opened = ShardSet.open(str(shards))
    clip = with_size(opened.manifest.recipe, size).train_clip
    options = LoaderOptions(num_workers=2, num_slots=2, pin_memory=pin_memory)
    found = []
    with ClipLoader(opened, clip=clip, batch_size=2, options=options) as loader:
        while len(found) < NUM_BATCHES:
            for batch in loader:
                found.append(batch.to(DEVICE).video)
    return [video.cpu() for video in found[:NUM_BATCHES]]


def one_rank_line(size, rounds):
    """DistributedDataParallel over one rank: the gradients of the bare network, and what it costs."""
    dist.init_process_group(BACKEND, store=dist.HashStore(), rank=0, world_size=1)
    try:
        net = i3d_resnet(size.depth, NUM_CLASSES, width=size.width).to(DEVICE).train()
        net.to(memory_format=torch.channels_last_3d)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.0)
        spread = DistributedDataParallel(net, device_ids=[DEVICE] if CUDA else None)
        bare, ranks = BareSteps(size, net, optimiser), BareSteps(size, spread, optimiser)
        ranks.clips, ranks.labels = bare.clips, bare.labels
        off = _difference(_gradients(bare, net), _gradients(ranks, net))
        seconds = in_turn({"bare": bare.forward_backward, "ranks": ranks.forward_backward}, rounds, 2)
        weights = torch.zeros(sum(each.numel() for each in net.parameters()), device=DEVICE)
        timed(lambda: dist.all_reduce(weights))
        summed = min(timed(lambda: dist.all_reduce(weights)) for _ in range(5))
    finally:
        dist.destroy_process_group()
    return (
        f"{BACKEND} over one rank: gradients {off:.1e} of their largest value off those of the bare network; "
        f"time, bare / with: {ratio(seconds['bare'], seconds['ranks'])}; all weights summed in "
        f"{1000 * summed:.2f} ms."
    )


def _gradients(steps, net):
    torch.manual_seed(0)  # of the dropout
    steps.forward_backward()
    return [parameter.grad.clone() for parameter in net.parameters()]


def _difference(some, others):
    largest = max(float(each.abs().max()) for each in some)
    return max(float((a - b).abs().max()) for a, b in zip(some, others, strict=True)) / largest
