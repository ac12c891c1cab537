"""How much of a GPU the harness uses: I3D-ResNet-50, clips of 32x224x224, bfloat16.

    python benchmarks/gpu.py            its section of benchmarks/RESULTS.md, written anew, in ten minutes

- Is bfloat16 right and fast, do copies out of pinned memory show the clips, are gradients over NCCL the same?
- Clips/s of the training step with its loader against forward + backward + SGD on clips that lie on the GPU
  already, in turn; goal at least 0.97.
- The share that this is of the chip's rate in a large bfloat16 matrix product; 1.54 TFLOP a clip.
- With and without channels_last_3d, with and without torch.compile; peak memory.
- Evaluation: views of 32x256x256 a second; 0.67 TFLOP a view.

Each line is in the file as soon as it is known. What would begin too late is left out and says so. Without a
GPU it runs with a tiny network on the CPU, which tests the benchmark, measures nothing and writes nothing.
"""

import argparse
import gc
import statistics
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from parts.gpu_checks import bf16_line, one_rank_line, pinned_line
from parts.results_file import Section, add_results_option
from parts.steps import (
    AUTOCAST,
    CUDA,
    DEVICE,
    BareSteps,
    HarnessSteps,
    Size,
    default_folder,
    forward_flops,
    in_turn,
    make_shards,
    matmul_flops,
    ratio,
    timed,
)
from vidprep.model import i3d_resnet

TRAIN = Size(50, 64, 32, 224, 32) if CUDA else Size(18, 4, 4, 64, 2)
VIEWS = Size(50, 64, 32, 256, 8) if CUDA else Size(18, 4, 4, 80, 2)
MATRIX_SIDE = 8192 if CUDA else 256
STEPS, LEAD = (
    (20, 5) if CUDA else (2, 1)
)  # of a timed block, and before it: until the loader's store is used up
NETWORKS = {  # channels_last, compiled, with loader
    "channels_last_3d": (True, False, True),
    "channels_last_3d, compiled": (True, True, True),
    "contiguous": (False, False, False),
    "contiguous, compiled": (False, True, False),
}
HEAD = (
    "| network | clips/s, bare step | of the matrix product | clips/s, with loader | with loader / bare | "
    "peak GiB |\n|---|---|---|---|---|---|"
)
SECTION = "GPU (`benchmarks/gpu.py`)"
NOTHING = "**No GPU: a tiny network ran on the CPU, and these figures mean nothing.**"


def training_row(name, shards, peak_flops, args):
    """One line of the table; a network that does not run here says why."""
    channels_last, compiled, with_loader = NETWORKS[name]
    start_afresh()
    measure = partial(with_and_without_loader, shards) if with_loader else bare_alone
    try:
        bare, harness = measure(channels_last, compiled, args)
    except RuntimeError as error:  # no memory, or no compiler
        return f"| {name} | {type(error).__name__}: {str(error).splitlines()[0][:80]} | | | | |"
    rate = TRAIN.batch / statistics.median(bare)
    share = 3 * forward_flops(TRAIN) / statistics.median(bare) / peak_flops
    through = f"{TRAIN.batch / statistics.median(harness):.1f}" if harness else "-"
    fraction = ratio(bare, harness) if harness else "-"
    return f"| {name} | {rate:.1f} | {share:.1%} | {through} | {fraction} | {peak_gib()} |"


def with_and_without_loader(shards, channels_last, compiled, args):
    """Seconds of bare steps and of those with a loader, in turn, on one network."""
    assert channels_last, "the harness knows no other layout"
    with tempfile.TemporaryDirectory() as run_dir:
        harness = HarnessSteps(shards, TRAIN, Path(run_dir), compiled)
        try:
            bare = BareSteps(TRAIN, harness.training.net, harness.training.optimiser)
            steps = {"bare": bare.step, "harness": harness.step}
            seconds = in_turn(steps, args.rounds, STEPS, lead=LEAD)
        finally:
            harness.close()
    return seconds["bare"], seconds["harness"]


def bare_alone(channels_last, compiled, args):
    bare = BareSteps.fresh(TRAIN, channels_last, compiled)
    return in_turn({"bare": bare.step}, args.rounds, STEPS)["bare"], None


def evaluation_line(peak_flops, args):
    start_afresh()
    net = i3d_resnet(VIEWS.depth, 4, width=VIEWS.width).to(DEVICE).eval()
    net.to(memory_format=torch.channels_last_3d)
    shape = (VIEWS.batch, 3, VIEWS.num_frames, VIEWS.crop, VIEWS.crop)
    views = torch.randn(shape, device=DEVICE).contiguous(memory_format=torch.channels_last_3d)

    @torch.inference_mode()
    def forward():
        with torch.autocast(DEVICE.type, AUTOCAST, enabled=AUTOCAST is not None):
            net(views)

    timed(forward, 3)
    seconds = [timed(forward, STEPS) for _ in range(args.rounds)]
    rates = [VIEWS.batch / each for each in seconds]
    share = forward_flops(VIEWS) / statistics.median(seconds) / peak_flops
    return (
        f"Evaluation, {VIEWS}: {statistics.median(rates):.1f} views/s "
        f"({min(rates):.1f} to {max(rates):.1f}), {share:.1%} of the matrix product; peak {peak_gib()} GiB."
    )


def start_afresh():
    """Give back the memory of the measurement before."""
    torch.compiler.reset()
    gc.collect()
    if CUDA:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib():
    return f"{torch.cuda.max_memory_allocated() / 2**30:.1f}" if CUDA else "-"


def heading():
    day = datetime.now(UTC).date().isoformat()
    if not CUDA:
        return f"### {day}, CPU, PyTorch {torch.__version__}\n\n{NOTHING}"
    chip = torch.cuda.get_device_name()
    versions = (
        f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    )
    return f"### {day}, {chip}, {versions}"


class Clock:
    """Knows whether there is time for one more measurement, as long as the longest so far."""

    def __init__(self, minutes):
        self._end = time.monotonic() + 60 * minutes
        self._longest = 0.0

    def measured(self, what, measure):
        """The line of a measurement, or why there is none: nobody is there to start it again."""
        began = time.monotonic()
        if began + self._longest > self._end:
            return f"{what}: left out, it would not have ended in time."
        try:
            line = measure()
        except (RuntimeError, ValueError, OSError) as error:
            line = f"{what}: {type(error).__name__}: {str(error).splitlines()[0][:160]}"
        self._longest = max(self._longest, time.monotonic() - began)
        return line


def measure_all(section, shards, clock, args):
    """Add a line for everything, the quick ones first."""
    peak_flops = matmul_flops(MATRIX_SIDE, torch.bfloat16, repeats=20)
    clips = 3 * forward_flops(TRAIN) / TRAIN.batch / 1e12
    section.add(f"{TRAIN}, {clips:.3f} TFLOP a clip forward and backward.")
    product = f"{MATRIX_SIDE} x {MATRIX_SIDE} bfloat16 matrix product"
    section.add(
        f"{product}: {peak_flops / 1e12:.2f} TFLOP/s. Ratios: median and spread of {args.rounds} rounds.\n"
    )
    for what, measure in (
        ("bfloat16", bf16_line),
        ("Copies to the device", partial(pinned_line, shards, TRAIN)),
        ("One rank", partial(one_rank_line, TRAIN, args.rounds)),
        ("Evaluation", partial(evaluation_line, peak_flops, args)),
    ):
        start_afresh()
        section.add(f"- {clock.measured(what, measure)}")
    section.add(f"\n{HEAD}")
    for name in args.networks:
        row = clock.measured(name, partial(training_row, name, shards, peak_flops, args))
        section.add(row if row.startswith("|") else f"| {row} | | | | | |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=default_folder(), help="of the made-up videos")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which nothing more is begun")
    add_results_option(parser)
    args = parser.parse_args()
    clock = Clock(args.minutes)
    torch.backends.cudnn.benchmark = True
    shards = make_shards(args.folder, videos_per_class=16 if CUDA else 2)
    section = Section(args.results if CUDA else None, SECTION)
    section.add(f"{heading()}\n")
    measure_all(section, shards, clock, args)


if __name__ == "__main__":
    main()
