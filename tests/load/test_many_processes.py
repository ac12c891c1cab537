"""Real training processes, real collectives: any world gives the same global batches, to the last bit."""

import hashlib
import json
import subprocess
import sys
import textwrap

import pytest

from tests.helpers.paths import REPOSITORY
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.recipes.recipe import TrainClip

# One rank: decode, hash the global batches together over gloo, stop or resume.
TRAINER = """
    import hashlib, json, sys
    import torch
    import torch.distributed as dist
    from vidprep.load import ClipLoader, LoaderOptions
    from vidprep.recipes.recipe import TrainClip

    shards, out, num_workers, stop_after = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    dist.init_process_group("gloo")
    rank, world_size = dist.get_rank(), dist.get_world_size()
    loader = ClipLoader(
        shards,
        clip=TrainClip(clip_len=4, flip="all"),
        batch_size=6,
        seed=3,
        rank=rank,
        world_size=world_size,
        options=LoaderOptions(num_workers=num_workers),
    )
    if len(sys.argv) > 5:
        loader.load_state_dict(json.loads(sys.argv[5]))
    batches = []
    for batch in loader:
        parts = [torch.empty_like(batch.video) for _ in range(world_size)]
        dist.all_gather(parts, batch.video)
        keys = [None] * world_size
        dist.all_gather_object(keys, (batch.key, batch.label.tolist(), batch.flip.tolist()))
        pixels = hashlib.sha256(torch.cat(parts).numpy().tobytes()).hexdigest()
        rows = [row for part in keys for row in zip(*part)]
        batches.append([rows, pixels])
        if len(batches) == stop_after:
            break
    if rank == 0:
        with open(out, "w") as file:
            json.dump({"batches": batches, "state": loader.state_dict()}, file)
    dist.destroy_process_group()
"""


def run(shards, tmp_path, *, world_size, num_workers, stop_after=-1, state=None):
    out = tmp_path / "out.json"
    script = tmp_path / "trainer.py"
    script.write_text(textwrap.dedent(TRAINER))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world_size}"]
    arguments = [str(shards), str(out), str(num_workers), str(stop_after)]
    if state:
        arguments.append(json.dumps(state))
    subprocess.run([*launch, str(script), *arguments], check=True, capture_output=True, timeout=240)
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def alone(shards):
    """The batches of a loader in this process."""
    clip = TrainClip(clip_len=4, flip="all")
    batches = []
    for batch in ClipLoader(shards, clip=clip, batch_size=6, seed=3, options=LoaderOptions(num_workers=0)):
        rows = zip(batch.key, batch.label.tolist(), batch.flip.tolist(), strict=True)
        pixels = hashlib.sha256(batch.video.numpy().tobytes()).hexdigest()
        batches.append([[list(row) for row in rows], pixels])
    return batches


@pytest.mark.slow
def test_every_world_sees_the_same_batches(shards, tmp_path, alone):
    assert len(alone) == 4
    assert run(shards, tmp_path, world_size=3, num_workers=0)["batches"] == alone


@pytest.mark.slow
def test_stop_in_one_world_go_on_in_another(shards, tmp_path, alone):
    begun = run(shards, tmp_path, world_size=2, num_workers=1, stop_after=2)
    assert begun["batches"] == alone[:2]
    rest = run(shards, tmp_path, world_size=3, num_workers=2, state=begun["state"])
    assert rest["batches"] == alone[2:]


DEMO = REPOSITORY / "demo/shards/mini_k400"


@pytest.mark.slow
def test_built_shards(tmp_path):
    """The same over what `make demo` builds: 1, 2 and 3 processes with 0 to 3 workers."""
    if not (DEMO / "manifest.json").is_file():
        pytest.skip("no demo shards: run `make demo`")
    clip = TrainClip(clip_len=4, flip="all")
    clips = ClipLoader(DEMO, clip=clip, batch_size=6, seed=3, options=LoaderOptions(num_workers=0))
    expected = [list(batch.key) for batch in clips]
    first = None
    for world_size in (1, 2, 3):
        for num_workers in (0, 3):
            found = run(DEMO, tmp_path, world_size=world_size, num_workers=num_workers)["batches"]
            assert [[row[0] for row in rows] for rows, _ in found] == expected
            first = first or found
            assert found == first
