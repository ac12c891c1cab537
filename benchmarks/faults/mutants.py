"""The rows of the mutants, from a run of benchmarks/mutants.py beside the other faults."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.outcome import Outcome

_PROGRAM = Path(__file__).parents[1] / "mutants.py"
_SEEDS = {
    "0": "thresholds were chosen on these",
    "1": "looked at while the detectors were mended",
    "2": "not seen before",
}


@contextmanager
def mutants_measured(videos: Path, work: Path) -> Iterator["subprocess.Popen[str]"]:
    """Make, judge and compare mutants in a process of its own while the block runs."""
    command = [sys.executable, str(_PROGRAM), "all", str(videos), "--work", str(work), "--results", "-"]
    with subprocess.Popen(
        command, cwd=_PROGRAM.parents[1], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def mutant_outcomes(process: "subprocess.Popen[str]", work: Path) -> Iterator[Outcome]:
    """Wait for the figures, and yield a row for each seed's mutants and one for the healthy videos.

    Raises:
        RuntimeError: If the benchmark failed.
    """
    said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"benchmarks/mutants.py failed: {said[-500:]}")
    figures = json.loads((work / "figures.json").read_bytes())
    for seed, about in _SEEDS.items():
        found = figures["mutants"]["seeds"][seed]
        visible, unseen = found["num_visible"], found["after"]
        text = (
            f"of {found['num_mutants']} damaged videos {visible} have a frame below 25 dB: {unseen} of them "
        )
        text += f"({unseen / visible:.1%}) are used and not suspect, {found['before'] / visible:.1%} in 0.1; "
        text += f"with --checksums {found['with_checksums']}; {about}"
        yield Outcome(
            f"damaged videos, seed {seed}", visible, visible - unseen, None, None, None, text, goal=0.95
        )
    yield _healthy(figures["healthy"])


def _healthy(figures: dict[str, dict[str, int]]) -> Outcome:
    total = sum(sum(counts.values()) for counts in figures.values())
    fine = sum(counts.get("", 0) for counts in figures.values())
    parts = [
        f"{name}: {sum(counts.values()) - counts.get('', 0)} of {sum(counts.values())} suspect or rejected"
        for name, counts in figures.items()
    ]
    return Outcome("healthy videos", total, fine, None, None, None, "; ".join(parts), goal=0.99)
