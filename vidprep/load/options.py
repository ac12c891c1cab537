"""How a loader uses the machine; nothing here changes what is in a batch."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from vidprep.load.decoding.decode import Backend
from vidprep.machine import num_cores


@dataclass(frozen=True)
class LoaderOptions:
    """How to read, decode and hand over.

    Attributes:
        num_workers: Processes that decode, one core each. 0: this process, which then does nothing else
            meanwhile. None: the cores of this rank, less one for the caller where there are more than two.
        num_slots: Batches in memory: one at the caller's, the others being filled. None: 3, or more where
            the workers would run out of clips to decode.
        read_ahead: Videos that a worker reads at a time while it decodes. None: 2 from a disk, 16 from a URL.
        pin_memory: Lock the batches into memory, so that copies to a GPU run beside other work.
        backend: "pyav", or "torchcodec" (an extra; needs pixels = "rgb").
        cache_dir: Keep whole shards of a remote set here, on a local disk, for all ranks of the node.
        cache_bytes: Limit for these copies; needed with `cache_dir`.
        timeout_seconds: How long to wait for a clip from any worker before the loader gives up; time in which
            shards come into `cache_dir` does not count.
    """

    num_workers: int | None = None
    num_slots: int | None = None
    read_ahead: int | None = None
    pin_memory: bool = False
    backend: Backend = "pyav"
    cache_dir: Path | None = None
    cache_bytes: int | None = None
    timeout_seconds: float = 300.0

    def __post_init__(self) -> None:
        if self.num_workers is not None and self.num_workers < 0:
            raise ValueError(f"num_workers must be at least 0, got {self.num_workers}.")
        if self.num_slots is not None and self.num_slots < 2:
            raise ValueError(
                f"num_slots must be at least 2, one in use and one being filled; got {self.num_slots}."
            )
        if (self.cache_dir is None) != (self.cache_bytes is None):
            raise ValueError(
                f"cache_dir and cache_bytes go together; got {self.cache_dir} and {self.cache_bytes}."
            )

    def workers(self) -> int:
        """Return the number of worker processes."""
        return default_num_workers() if self.num_workers is None else self.num_workers

    def slots(self, jobs_per_batch: int) -> int:
        """Return the number of batches in memory."""
        if self.num_slots is not None:
            return self.num_slots
        # 1.5 jobs a worker, one in work and half a one waiting, so that none waits for the caller.
        return 1 + max(2, math.ceil(1.5 * self.workers() / jobs_per_batch))


def default_num_workers() -> int:
    """Return the workers of one rank: its share of the cores, less one for the caller if there are enough."""
    ranks = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    cores = num_cores() // ranks
    return max(1, cores - 1 if cores > 2 else cores)
