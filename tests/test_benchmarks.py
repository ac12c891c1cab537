"""Benchmarks run small: hours of a GPU are not for finding typos; and faults of a few minutes."""

import re
import subprocess
import sys

import pytest
import torch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
TINY = "--depth 18 --width 2 --frames 2 --size 32 --batch 2 --rounds 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the made-up videos lie."""
    return tmp_path_factory.mktemp("bench")


def run(script, folder, *words):
    command = [sys.executable, f"benchmarks/{script}.py", *words, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU it measures, for minutes")
def test_gpu_benchmark_without_a_gpu(folder):
    networks = ("channels_last_3d", "contiguous, compiled")
    text = run("gpu", folder, "--rounds", "2", "--networks", *networks)
    assert "these figures mean nothing" in text
    rows = {
        line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines() if line[:2] == "| "
    }
    assert set(rows) == {"network", *networks}
    rate, share, through, fraction, peak = (cell.strip() for cell in rows["channels_last_3d"])
    assert float(rate) > 0 and float(through) > 0 and float(share.rstrip("%")) > 0
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+; 2 rounds\)", fraction)
    assert peak == "-"  # memory of a GPU
    assert float(rows["contiguous, compiled"][0]) > 0
    assert re.search(r"Evaluation, .*: [\d.]+ views/s", text)


@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("step", r"harness / bare: [\d.]+ \([\d.]+ to [\d.]+; 2 rounds\); goal at most 1\.05"),
        ("layouts", r"channels_last_3d: [\d.]+ clips/s"),
        ("profile", r"[\d.]+%  convolutions, backward(.|\n)*SGD alone, of a step: 0\."),
    ],
)
def test_cpu_benchmark(what, result, folder):
    assert re.search(result, run("harness", folder, what, *TINY.split()))


def test_faults_in_short():
    """Damaged files of every kind, interrupted trainings and builds: everything is as it should be."""
    command = [sys.executable, "-m", "benchmarks.faults", "--short"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 25


def test_parts_of_a_long_video():
    command = [sys.executable, "-m", "benchmarks.segments", "--hours", "0.05", "--segments", "4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 parts used" in done.stdout and "times one pass" in done.stdout
