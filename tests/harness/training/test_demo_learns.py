"""The demo's promise: motion is learned, and a network blind to it does not find it.

Each seed takes minutes: `DEMO_SEEDS=0,1,2 pytest -m slow -s tests/harness/training/test_demo_learns.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vidprep.harness.evaluation.results import read_results

NUM_CLASSES = 12
SEEDS = [int(seed) for seed in os.environ.get("DEMO_SEEDS", "0").split(",")]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def vidprep(*words: object) -> None:
    done = subprocess.run([sys.executable, "-m", "vidprep", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    sizes = [
        "--classes",
        NUM_CLASSES,
        "--videos-per-class",
        48,
        "--validation-per-class",
        10,
        "--short-side",
        120,
    ]
    vidprep("synth", "ssv2", "--out", root / "raw", *sizes, "--broken", 0.02)
    vidprep("build", "demo", "--source", root / "raw", "--out", root / "shards")
    return root / "shards"


def top1(shards: Path, folder: Path, seed: int, *settings: str) -> float:
    options = [word for setting in settings for word in ("--set", setting)]
    vidprep("train", "--shards", shards, "--out", folder / "run", "--seed", seed, "--workers", 1, *options)
    vidprep("eval", "--shards", shards, "--checkpoint", folder / "run", "--out", folder / "eval")
    return read_results(folder / "eval").top1


@pytest.fixture(scope="module")
def blind(shards, tmp_path_factory) -> float:
    return top1(shards, tmp_path_factory.mktemp("blind"), 0, "model.temporal_taps=1")


@pytest.mark.parametrize("seed", SEEDS)
def test_motion_wins(shards, blind, tmp_path, seed):
    seeing = top1(shards, tmp_path, seed)
    print(f"seed {seed}: {seeing:.1%}, blind to motion {blind:.1%}")
    assert seeing >= 3 / NUM_CLASSES
    assert seeing >= 1.5 * blind
