"""What benchmarks/harness.py and gpu.py both measure: a training step through the harness, and a bare one."""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from vidprep.harness.ranks import Ranks
from vidprep.harness.training.setup import set_up_training
from vidprep.harness.training.state import TrainRequest
from vidprep.harness.training.step import train_step
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.load.bench import repeated
from vidprep.model import i3d_resnet
from vidprep.model.summary import summarise
from vidprep.shards.shard_set import ShardSet

NUM_CLASSES = 4
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
AUTOCAST = torch.bfloat16 if CUDA else None  # as the harness chooses by itself


@dataclass(frozen=True)
class Size:
    """What is trained: a network and its batches."""

    depth: int
    width: int
    num_frames: int
    crop: int
    batch: int

    def __str__(self):
        clip = f"{self.num_frames}x{self.crop}x{self.crop}"
        return f"I3D-ResNet-{self.depth} (width {self.width}), {self.batch} clips of {clip}"


def make_shards(folder, videos_per_class=16):
    """Return a small shard set of made-up K400-like videos; an earlier one is used again."""
    raw, shards = folder / "raw", folder / "shards"
    if not (shards / "manifest.json").exists():
        words = f"--classes {NUM_CLASSES} --videos-per-class {videos_per_class}"
        vidprep(f"synth k400 --out {raw} {words}")
        vidprep(f"build-mini --src k400 --classes 200 --source {raw} --out {shards}")
    return shards


def vidprep(words):
    done = subprocess.run([sys.executable, "-m", "vidprep", *words.split()], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"vidprep {words} failed:\n{done.stderr}")


# --- the two steps ----------------------------------------------------------------------------------------


class HarnessSteps:
    """The training step of the harness with its loader, as `vidprep train` sets them up."""

    def __init__(self, shards, size, run_dir, compile=False):
        opened = ShardSet.open(str(shards))
        recipe = with_size(opened.manifest.recipe, size)
        request = TrainRequest(str(shards), run_dir, recipe, compile=compile)
        self.training = set_up_training(request, Ranks(0, 1, DEVICE))
        # The same loader with a long epoch: beginning one takes a second, and here one would be short.
        options = LoaderOptions(pin_memory=CUDA)
        data = repeated(opened, 1000)
        self.loader = ClipLoader(data, clip=recipe.train_clip, batch_size=size.batch, options=options)
        self.batches = iter(self.loader)
        self.num_steps = 0

    def step(self):
        """One optimiser step, tallied; losses are looked at every ten steps, as in a training."""
        training = self.training
        result = train_step(training.net, training.optimiser, self.batches, training.settings, epoch=0)
        training.tally.add(result)
        self.num_steps += 1
        if self.num_steps % 10 == 0:
            training.tally.settle(training.ranks)

    def close(self):
        self.batches.close()


def with_size(recipe, size):
    clip = recipe.train_clip.model_copy(update={"clip_len": size.num_frames, "crop_size": size.crop})
    model = recipe.model.model_copy(update={"depth": size.depth, "width": size.width})
    optimisation = recipe.optimisation.model_copy(update={"batch_size": size.batch})
    return recipe.model_copy(update={"train_clip": clip, "model": model, "optimisation": optimisation})


class BareSteps:
    """Forward, backward and SGD on one batch of noise that lies in the device's memory already."""

    def __init__(self, size, net, optimiser, channels_last=True):
        shape = (size.batch, 3, size.num_frames, size.crop, size.crop)
        self.clips = torch.randn(shape, device=DEVICE, dtype=AUTOCAST or torch.float32)
        if channels_last:
            self.clips = self.clips.contiguous(memory_format=torch.channels_last_3d)
        self.labels = torch.randint(NUM_CLASSES, (size.batch,), device=DEVICE)
        self.net, self.optimiser = net, optimiser

    @classmethod
    def fresh(cls, size, channels_last, compile=False):
        """With a network of its own."""
        net = i3d_resnet(size.depth, NUM_CLASSES, width=size.width).to(DEVICE).train()
        if channels_last:
            net.to(memory_format=torch.channels_last_3d)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=CUDA)
        return cls(size, torch.compile(net) if compile else net, optimiser, channels_last)

    def step(self):
        self.forward_backward()
        self.optimiser.step()

    def forward_backward(self):
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE.type, AUTOCAST, enabled=AUTOCAST is not None):
            logits = self.net(self.clips)
        cross_entropy(logits.float(), self.labels).backward()


# --- timing -----------------------------------------------------------------------------------------------


def timed(step, times=1):
    """Seconds that `step` takes, the mean of several in a row; a GPU's work is waited for."""
    wait_for_gpu()
    start = time.perf_counter()
    for _ in range(times):
        step()
    wait_for_gpu()
    return (time.perf_counter() - start) / times


def wait_for_gpu():
    if CUDA:
        torch.cuda.synchronize()


def in_turn(steps, rounds, times=1, warm_up=2, lead=0, on_round=None):
    """Time blocks of several steps in turn, round after round: {name: seconds a step in each round}.

    Before each block, `lead` steps are not timed: a loader fills its store while another block runs.
    """
    for step in steps.values():
        timed(step, warm_up)
    seconds = {name: [] for name in steps}
    for number in range(rounds):
        for name, step in steps.items():
            if lead:
                timed(step, lead)
            seconds[name].append(timed(step, times))
        if on_round:
            on_round(number + 1, seconds)
    return seconds


def ratio(some, others):
    """Median and spread of the ratios of the rounds."""
    ratios = [a / b for a, b in zip(some, others, strict=True)]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}; {len(ratios)} rounds)"


def matmul_flops(side, dtype, repeats=5):
    """Floating-point operations a second of a large square matrix product: the best of several."""
    a, b = (torch.randn(side, side, device=DEVICE, dtype=dtype) for _ in range(2))
    timed(lambda: a @ b)
    return 2 * side**3 / min(timed(lambda: a @ b) for _ in range(repeats))


def forward_flops(size):
    """Floating-point operations of the convolutions of a batch, forward; backward has twice as many."""
    with torch.device("meta"):
        net = i3d_resnet(size.depth, NUM_CLASSES, width=size.width)
    return 2 * size.batch * summarise(net, num_frames=size.num_frames, size=size.crop).num_conv_macs


def default_folder():
    return Path("demo/bench-harness")
