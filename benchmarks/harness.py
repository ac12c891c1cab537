"""What the harness costs beside the network alone, on a CPU.

    python benchmarks/harness.py step       a training step with loader against forward + backward + SGD alone
    python benchmarks/harness.py layouts    the latter with and without channels_last_3d
    python benchmarks/harness.py profile    where its time goes; its share of a large matrix product's rate

Compared steps run in turn in one process, and the ratios are those of one round: other users of a machine
disturb both. The network is I3D-ResNet-50, its clips are small so that a step takes seconds. Videos are made
by `vidprep synth` on the first run. Each command writes its section of RESULTS.md.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch

from parts.charts import spread
from parts.results_file import Section, add_results_option
from parts.rounds import ratios
from parts.steps import (
    BareSteps,
    HarnessSteps,
    Size,
    default_folder,
    forward_flops,
    in_turn,
    make_shards,
    matmul_flops,
    timed,
)
from vidprep.load.transforms import to_network_input

SECTIONS = {
    "step": "A training step (`benchmarks/harness.py step`)",
    "layouts": "Layouts (`benchmarks/harness.py layouts`)",
    "profile": "Where a step's time goes (`benchmarks/harness.py profile`)",
}
GOAL = 1.05
GROUPS = {  # by words in the names of PyTorch's operators
    "convolutions, backward": ("convolution_backward",),
    "convolutions, forward": ("conv",),
    "batch norms": ("batch_norm",),
    "max pool": ("max_pool",),
    "ReLU and sums of shortcuts": ("relu", "clamp_min", "threshold", "add_"),
    "copies": ("copy_", "contiguous", "fill_", "zero_"),
}


def cpu_seconds(processes):
    """CPU time that processes have used: what other users of a machine disturb least.

    The kernel tells that of others in hundredths of a second, too coarse for a short step of this one.
    """
    others = [process.cpu_times() for process in processes if process.pid != os.getpid()]
    own = time.process_time() if len(others) < len(processes) else 0.0
    return own + sum(times.user + times.system for times in others)


def step(section, size, args):
    """The harness's step frees a slot of the ring as it begins, and the workers fill it during that step.

    So the decoding of a batch falls into the harness's time, not into that of the bare step.
    """
    shards = make_shards(args.folder)
    with tempfile.TemporaryDirectory() as run_dir:
        harness = HarnessSteps(shards, size, Path(run_dir))
        bare = BareSteps(size, harness.training.net, harness.training.optimiser)
        cpu = {"harness": [], "bare": []}
        steps = {"harness": noted(harness.step, cpu["harness"]), "bare": noted(bare.step, cpu["bare"])}
        seconds = in_turn(steps, args.rounds, on_round=say_round)
        decoding, converting = added_seconds(harness.batches)
        harness.close()
    cpu = {name: spent[-args.rounds :] for name, spent in cpu.items()}
    rows = [(f"{name} step", spread(seconds[name]), spread(cpu[name])) for name in ("harness", "bare")]
    compared = [spread(ratios(of["harness"], of["bare"])) for of in (seconds, cpu)]
    rows.append((f"**harness / bare**, goal at most {GOAL}", *compared))
    section.table(("", "s", "CPU seconds of all processes"), rows)
    section.chart(cpu, "CPU seconds a step, all processes", "harness-step")
    share = (decoding + converting) / min(cpu["bare"])
    section.add(
        f"CPU time a step that the loader adds, measured alone: {decoding:.3f} s in the workers, "
        f"{converting:.3f} s for the network's input; {share:.1%} of {min(cpu['bare']):.2f} s, the cheapest "
        "bare step."
    )


def noted(run, cpu):
    """A step that also notes the CPU time of this process and its workers."""

    def call():
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        before = cpu_seconds(processes)
        run()
        cpu.append(cpu_seconds(processes) - before)

    return call


def added_seconds(batches, num_batches=20):
    """CPU seconds a batch takes in the workers, and here to become the network's input."""
    workers = psutil.Process().children(recursive=True)
    before, converting = cpu_seconds(workers), 0.0
    for _ in range(num_batches):
        batch = next(batches)
        start = time.process_time()
        to_network_input(batch)
        converting += time.process_time() - start
    return (cpu_seconds(workers) - before) / num_batches, converting / num_batches


def layouts(section, size, args):
    steps = {
        "channels_last_3d": BareSteps.fresh(size, channels_last=True).step,
        "contiguous": BareSteps.fresh(size, channels_last=False).step,
    }
    seconds = in_turn(steps, args.rounds, warm_up=1, on_round=say_round)
    first = seconds["channels_last_3d"]
    rates = {name: [size.batch / one for one in each] for name, each in seconds.items()}
    rows = [(name, spread(rates[name]), spread(ratios(each, first))) for name, each in seconds.items()]
    section.table(("layout", "clips/s", "time / that of channels_last_3d"), rows)
    section.chart(rates, "clips/s, forward, backward and SGD", "harness-layouts")


def profile(section, size, args):
    bare = BareSteps.fresh(size, channels_last=True)
    flops = 3 * forward_flops(size)
    timed(bare.step, 2)
    seconds, rates = [], []
    for _ in range(args.rounds):
        rates.append(matmul_flops(4096, torch.float32, repeats=2))
        seconds.append(timed(bare.step))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        bare.forward_backward()
    found = shares(profiler.key_averages())
    rows = [(name, f"{share:.1%}") for name, share in found.items()]
    section.table(("forward and backward, one step", "share of the time"), rows)
    section.chart({name: [100 * share] for name, share in found.items()}, "% of the time", "harness-profile")
    sgd = [timed(bare.optimiser.step) for _ in seconds]
    section.add(f"- SGD alone, of a step: {spread(ratios(sgd, seconds), '{:.3f}')}.")
    section.add(f"- {flops / 1e9:.0f} GFLOP a step (convolutions, forward and twice that backward).")
    of_peak = spread(ratios([flops / s for s in seconds], rates))
    section.add(f"- Share of a 4096 x 4096 float32 matrix product's rate: {of_peak}.")


def shares(events):
    """Shares of operators' own time, in groups, the largest first."""
    times = dict.fromkeys([*GROUPS, "other"], 0.0)
    for event in events:
        fitting = (group for group, words in GROUPS.items() if any(word in event.key for word in words))
        times[next(fitting, "other")] += event.self_cpu_time_total
    total = sum(times.values())
    return {name: time / total for name, time in sorted(times.items(), key=lambda item: -item[1])}


def say_round(number, seconds):
    line = ", ".join(f"{name} {each[-1]:.2f} s" for name, each in seconds.items())
    print(f"round {number}: {line}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["step", "layouts", "profile"])
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, help="threads of PyTorch; 1 is disturbed least by other users")
    add_results_option(parser)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    size = Size(args.depth, args.width, args.frames, args.size, args.batch)
    section = Section(args.results, SECTIONS[args.what])
    section.begin(f"{size}, {torch.get_num_threads()} threads; {args.rounds} rounds in turn")
    {"step": step, "layouts": layouts, "profile": profile}[args.what](section, size, args)


if __name__ == "__main__":
    main()
