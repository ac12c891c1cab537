"""Several processes: what they must agree on, and what is said when one of them ends."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from tests.helpers.runs.tiny import free_port, options, run, start
from vidprep.harness.ranks import store_of_this_start
from vidprep.harness.run_folder import epoch_checkpoints
from vidprep.harness.training.step import skip_gradient_sync


def start_ranks(shards, *words_by_rank):
    """Start a process with each list of words, wait for all; return exit codes and what they said."""
    port, num = free_port(), len(words_by_rank)
    words = ["train", "--shards", shards, "--log-every", 1, "--workers", 1, *options()]
    processes = [
        start(*words, *more, rank=rank, world_size=num, port=port) for rank, more in enumerate(words_by_rank)
    ]
    said = [process.communicate(timeout=240)[0] for process in processes]
    return [process.returncode for process in processes], said


@pytest.mark.slow
def test_a_run_that_only_some_processes_see_is_not_resumed(tiny_shards, tmp_path):
    words = ["train", "--shards", tiny_shards, "--log-every", 1, "--workers", 1, *options()]
    run(*words, "--out", tmp_path / "0", "--keep-every", 1)
    shutil.copytree(tmp_path / "0", tmp_path / "1")
    epoch_checkpoints(tmp_path / "0")[3].unlink()
    codes, said = start_ranks(
        tiny_shards, *(["--out", tmp_path / str(rank), "--resume"] for rank in range(2))
    )
    assert codes == [1, 1] and "Traceback" not in "".join(said)
    for rank, steps in enumerate((6, 9)):
        assert f"process {rank} sees a run of {steps} steps in {tmp_path / str(rank)}. Use an" in said[rank]


@pytest.mark.slow
def test_a_process_that_ends_is_named_as_the_reason_by_the_others(tiny_shards, tmp_path):
    out = ["--out", tmp_path / "run"]
    codes, said = start_ranks(tiny_shards, out, [*out, "--init", tmp_path / "none.pt"])
    assert codes == [1, 1] and "Traceback" not in "".join(said)
    assert f"No file of weights at {tmp_path}/none.pt" in said[1]
    assert "Process 0 stops because another of the 2 ended; that one's message says why" in said[0]


def test_gradients_are_summed_over_ranks_once_a_step_also_when_compiled():
    """Compiling wraps the network once more."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        net = DistributedDataParallel(torch.nn.Linear(2, 2))
        for called in (net, torch.compile(net, backend="eager")):
            for is_last in (False, True):
                with skip_gradient_sync(called, unless=is_last):
                    assert net.require_backward_grad_sync is is_last
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("last", [0, 2])
def test_ranks_that_start_again_find_one_another_in_a_store_that_has_been_used(last):
    """torchrun's agents keep theirs; the rank that comes last is never looked for under its old address."""
    store = dist.HashStore()

    def meet(rank, turn):
        if rank == last:
            time.sleep(0.2)  # the others have looked for it by now
        shared = store_of_this_start(store, rank, world_size=3)
        shared.set(f"address {rank}", f"{rank} of turn {turn}")
        return [shared.get(f"address {other}").decode() for other in range(3)]

    for turn in range(3):
        with ThreadPoolExecutor(3) as pool:
            found = [pool.submit(meet, rank, turn) for rank in range(3)]
        for ranks in found:
            assert ranks.result() == [f"{rank} of turn {turn}" for rank in range(3)]
