"""Small shards and networks for evaluations, and how to run one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import torch

from tests.helpers.sets.numbered import sample, write_shard_set
from vidprep.harness.class_lists import class_list
from vidprep.harness.evaluation.request import EvalRequest
from vidprep.harness.evaluation.scoring import score_split
from vidprep.harness.ranks import Ranks
from vidprep.load import LoaderOptions
from vidprep.model import build_model
from vidprep.model.weight_files import checkpoint
from vidprep.recipes.recipe import EvalViews, ModelStage, Optimisation
from vidprep.shards.shard_set import ShardSet

NUM_CLASSES = 6
VIEWS = EvalViews(clip_len=8, num_clips=3, num_crops=3, crop_size=64)
# (frames, width, height): shorter than a clip, square, portrait, long.
VIDEOS = ((20, 90, 64), (5, 114, 64), (33, 64, 90), (40, 64, 64), (12, 90, 64), (70, 114, 64), (8, 64, 114))
ONE = Ranks(0, 1, torch.device("cpu"))
INLINE = LoaderOptions(num_workers=0)


def video_bytes(number: int, num_frames: int, width: int, height: int, path: Path) -> bytes:
    """A stored video whose frames all differ, in smooth colours that survive compression."""
    random = np.random.default_rng(number)
    start, speed = random.uniform(0, 6, (2, 3))
    y, x = np.mgrid[:height, :width] / 40
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"bf": "0", "g": "16", "crf": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(num_frames):
            waves = [np.sin(start[c] + speed[c] * (i / 3 + y) + x * (c + 1)) for c in range(3)]
            pixels = (128 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def small_samples(path: Path) -> list:
    """7 validation videos of 6 classes, and a training video of each class."""
    made = [(n, *shape, video_bytes(n, *shape, path / "video.mp4")) for n, shape in enumerate(VIDEOS)]
    validation = [sample("validation", f"v{n}", n % 5, data, f, w, h) for n, f, w, h, data in made]
    _, frames, width, height, data = made[0]
    train = [sample("train", f"t{n}", n, data, frames, width, height) for n in range(NUM_CLASSES)]
    return [*train, *validation]


def many_samples(path: Path, number: int) -> list:
    """Validation videos of 3 classes, some of them alike."""
    data = [video_bytes(n, 6, 64, 64, path / "video.mp4") for n in range(8)]
    return [sample("validation", f"v{n}", n % 3, data[n % 8], 6, 64, 64) for n in range(number)]


def write_network(path: Path, shards: Path, views: EvalViews, *, epoch: int = 3, seed: int = 0) -> Path:
    """A checkpoint of ours with logits of usual size."""
    shard_set, stage = ShardSet.open(shards), ModelStage(depth=18, width=4)
    recipe = shard_set.manifest.recipe.model_copy(
        update={"model": stage, "eval_views": views, "optimisation": Optimisation(epochs=5)}
    )
    classes = class_list(shard_set)
    generator = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = build_model(stage, len(classes))
    torch.nn.init.normal_(network.fc.weight, std=0.01)
    torch.random.set_rng_state(generator)
    position = {"epoch": epoch, "step": 0, "total_steps": 10 * epoch}
    torch.save(checkpoint(network, recipe, classes) | {"position": position}, path)
    return path


def run_evaluation(network: Path, shards: Path, out_dir: Path, *, ranks=ONE, on_video=None, **changes):
    """Evaluate in this process."""
    request = EvalRequest(network, shards, out_dir, **({"options": INLINE} | changes))
    return score_split(request, ranks, **({"on_video": on_video} if on_video else {}))


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "vidprep", "eval", *map(str, arguments)]


def environment(rank: int = 0, world_size: int = 1, port: int = 0) -> dict[str, str]:
    """What torchrun sets; one thread each, as these networks are too small for more."""
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    return os.environ | {name: str(value) for name, value in (ranks | meeting).items()}


def run_ranks(world_size: int, *arguments) -> list[subprocess.CompletedProcess]:
    """Run the command in several processes, as torchrun does; all of them, ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [
        subprocess.Popen(
            command(*arguments),
            env=environment(rank, world_size, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world_size)
    ]
    outputs = [process.communicate(timeout=240) for process in started]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *output)
        for process, output in zip(started, outputs, strict=True)
    ]


def write_set(root: Path, samples: list, per_shard: int = 4) -> Path:
    return write_shard_set(root, samples, per_shard)
