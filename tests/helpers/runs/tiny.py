"""Shards and a network so small that a training takes seconds; the program in processes of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from tests.helpers.programs.program import run_here
from tests.helpers.sets.numbered import encode, sample, write_shard_set
from vidprep.harness.run_folder import read_metrics

NUM_CLASSES = 4
# Everything is small, but dropout and randomness are kept, so that the equality tests compare the real thing.
SETTINGS = {
    "train_clip.clip_len": 4,
    "train_clip.crop_size": 32,
    "eval_views.clip_len": 4,
    "eval_views.crop_size": 48,
    "model.depth": 18,
    "model.width": 4,
    "optimisation.batch_size": 8,
    "optimisation.lr": 0.002,  # at a high one, rounding errors grow tenfold every other step
    "optimisation.schedule": "cosine",
    "optimisation.epochs": 3,
}


def write_tiny_shards(root: Path, work: Path, *, train: int = 24, validation: int = 7) -> Path:
    """Shards of 64x64 videos whose colour tells the class."""
    samples = []
    for video in range(train + validation):
        split = "train" if video < train else "validation"
        label = video % NUM_CLASSES
        data = encode(8 + video % 5, 2 * label, width=64, height=64, path=work)
        samples.append(sample(split, f"v{video}", label, data, 8 + video % 5, 64, 64))
    return write_shard_set(root, samples, per_shard=10)


def options(**changes: object) -> list[str]:
    """`--set` options for the tiny network; `changes` have `__` for the dot."""
    settings = SETTINGS | {name.replace("__", "."): value for name, value in changes.items()}
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def start(
    *words: object, rank: int = 0, world_size: int = 1, port: int = 0, **popen: object
) -> subprocess.Popen:
    """Start `vidprep` as one of `world_size` processes, on one thread each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if world_size > 1:
        environment |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world_size),
            "LOCAL_WORLD_SIZE": str(world_size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    command = [sys.executable, "-m", "vidprep", *map(str, words)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen
    )


def run(*words: object, num_ranks: int = 1, expect: int = 0) -> str:
    """Run `vidprep` in `num_ranks` processes (one: in this process); return the output of all."""
    if num_ranks == 1:
        return _run_here(*words, expect=expect)
    port = free_port()
    processes = [start(*words, rank=r, world_size=num_ranks, port=port) for r in range(num_ranks)]
    texts = [process.communicate(timeout=240)[0] for process in processes]
    codes = [process.returncode for process in processes]
    assert codes == [expect] * num_ranks, "\n".join(texts)
    return "\n".join(texts)


def _run_here(*words: object, expect: int) -> str:
    threads = torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # as in processes of their own: sums of several threads differ in their last bits
    try:
        done = run_here(*words)
    finally:
        torch.set_num_threads(threads)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def losses(run_dir: Path) -> np.ndarray:
    """The loss of each line of metrics."""
    return np.array([line["loss"] for line in read_metrics(run_dir)])
