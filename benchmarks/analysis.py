"""What the analyses of a trained network take: CPU time and memory of the whole commands.

    python benchmarks/analysis.py

A fresh I3D-ResNet-50 stands for a trained one, for the time is the same. `vidprep filters --matrix pair`
finds the primary filter of each pair of channels, `vidprep erf` the receptive field over ten noise clips;
both draw their figures.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from parts.charts import spread
from parts.results_file import Section, add_results_option

SECTION = "Analysis (`benchmarks/analysis.py`)"


def save_network(path):
    """Fresh weights of I3D-ResNet-50."""
    import torch

    from vidprep.model.network import build_network
    from vidprep.recipes.recipe import ModelStage

    torch.manual_seed(0)
    torch.save(build_network(ModelStage(), 200).state_dict(), path)


def used_by(command):
    """CPU seconds and the most MiB of a command in a process of its own."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed.")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=10, help="noise clips of a receptive field")
    parser.add_argument("--size", type=int, default=224, help="side of a noise clip in pixels")
    add_results_option(parser)
    args = parser.parse_args()
    section = Section(args.results, SECTION)
    section.begin(f"I3D-ResNet-50; {args.rounds} rounds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_network(folder / "i3d.pt")
        vidprep = [sys.executable, "-m", "vidprep"]
        weights = ["--checkpoint", folder / "i3d.pt", "--out", folder / "out"]
        erf = ["erf", *weights, "--draws", str(args.draws), "--size", str(args.size)]
        commands = {
            "filters --matrix pair": [*vidprep, "filters", *weights, "--matrix", "pair"],
            f"erf, {args.draws} draws of 32 x {args.size} x {args.size}": [*vidprep, *erf],
        }
        found = {name: [] for name in commands}
        for _ in range(args.rounds):
            for what, command in commands.items():
                shutil.rmtree(folder / "out", ignore_errors=True)  # finished draws would be kept
                found[what].append(used_by(command))
        sigma = json.loads((folder / "out/erf.json").read_text())["sigma_frames"]
    bars = {what: [seconds for seconds, _ in runs] for what, runs in found.items()}
    rows = [
        (what, spread(bars[what], "{:.1f}"), spread([mib for _, mib in runs], "{:,.0f}"))
        for what, runs in found.items()
    ]
    section.table(("command", "CPU seconds", "most MiB"), rows)
    section.chart(bars, "CPU seconds", "analysis")
    section.add(f"Sigma of the fresh network's receptive field: {sigma:.2f} frames.")


if __name__ == "__main__":
    main()
