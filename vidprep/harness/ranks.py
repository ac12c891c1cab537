"""Which of several processes this is, on which device, and the few things they agree on.

`torchrun` starts the processes and tells each by environment variables; without it there is one.
"""

import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from vidprep.errors import HarnessError
from vidprep.machine import rank_and_world_size

Device = Literal["cpu", "cuda"]

# The slowest rank of an evaluation may be far behind the others; a rank that died is torchrun's to notice.
_TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """This process among all, and what they do together.

    `any`, `sum`, `copy_from_first`, `all_same` and `barrier` wait until every process has called them.

    Attributes:
        rank: Number of this process, from 0.
        world_size: Number of processes.
        device: The device of this process.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Tell whether this process is the one that writes files and messages."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Tell whether `flag` is true in any process."""
        return bool(self.sum(torch.tensor([float(flag)])).item())

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sums over all processes of a tensor on the CPU."""
        if self.world_size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total

    def copy_from_first(self, tensors: Iterable[torch.Tensor]) -> None:
        """Overwrite tensors on the device with those of the first process."""
        if self.world_size == 1:
            return
        for tensor in tensors:
            dist.broadcast(tensor, src=0)

    def all_same(self, number: int) -> bool:
        """Tell whether all processes have the same number."""
        firsts = self.sum(torch.tensor([number if self.is_first else 0])).item()
        return not self.any(number != firsts)

    def barrier(self) -> None:
        """Wait for all processes."""
        self.any(False)


@contextmanager
def joined_ranks(device: Device | None = None) -> Iterator[Ranks]:
    """Join the processes that torchrun started, for the length of a `with` block.

    Args:
        device: "cuda" gives each process of a machine a GPU of its own; None: "cuda" where there is a GPU,
            else "cpu".

    Raises:
        HarnessError: If there is no GPU, or none for this process, or another process ended too early.
    """
    rank, world_size = rank_and_world_size()
    place = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    with _lost_peers_explained(rank, world_size):
        if world_size == 1:
            yield Ranks(rank, world_size, place)
            return
        _join(rank, world_size, place)
        try:
            yield Ranks(rank, world_size, place)
        finally:
            dist.destroy_process_group()


def _join(rank: int, world_size: int, place: torch.device) -> None:
    store, *_ = next(rendezvous("env://", timeout=_TIMEOUT))
    store.set_timeout(_TIMEOUT)
    store = store_of_this_start(store, rank, world_size)
    # Numbers on the CPU go by gloo: agreeing on something never waits for a GPU.
    backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=_TIMEOUT)


def store_of_this_start(store: Store, rank: int, world_size: int) -> Store:
    """Return the part of a store that only the processes of this start use.

    torchrun's agents keep one store for all starts, in which the addresses of processes that have ended
    stay: PyTorch 2.13 connects to them, if it comes before the new ones are written, and never ends
    (pytorch/pytorch#135712). Here each process asks the first one for the name of this start by a key
    that no earlier start can have answered.

    Args:
        store: The store of all starts.
        rank: Number of this process.
        world_size: Number of processes; every one has to call this.
    """
    if rank:
        question = uuid.uuid4().hex
        store.set(f"vidprep/question/{rank}", question)
        start = store.get(f"vidprep/answer/{question}").decode()
        store.set(f"{start}/known/{rank}", "")
    else:
        start = f"vidprep/start/{uuid.uuid4().hex}"
        others = range(1, world_size)
        while not store.check([f"{start}/known/{other}" for other in others]):
            for other in others:
                # It may be the question of a process that has ended: then nobody reads the answer.
                question = store.get(f"vidprep/question/{other}").decode()
                store.set(f"vidprep/answer/{question}", start)
            time.sleep(0.05)
    return PrefixStore(start, store)


@contextmanager
def _lost_peers_explained(rank: int, world_size: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if world_size == 1 or not _is_lost_peer(error):
            raise
        raise HarnessError(
            f"Process {rank} stops because another of the {world_size} ended; that one's message says why. "
            "Mend that and start all of them again; what is saved is kept."
        ) from error


def _is_lost_peer(error: RuntimeError) -> bool:
    # Gloo has no exception of its own; its messages begin with the place in its source.
    return isinstance(error, dist.DistError) or "/gloo/transport/" in str(error)


def _device(name: Device | None, local_rank: int) -> torch.device:
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name is None and not num_gpus):
        return torch.device("cpu")
    if not num_gpus:
        raise HarnessError(
            f"--device cuda was asked for, but PyTorch {torch.__version__} sees no GPU. "
            "Leave it out to use the CPU, or install a driver and a CUDA build of PyTorch."
        )
    if local_rank >= num_gpus:
        raise HarnessError(
            f"Process {local_rank} of this machine has no GPU: there are {num_gpus}. "
            f"Start torchrun with --nproc-per-node={num_gpus}."
        )
    return torch.device("cuda", local_rank)
