"""The memory of the batches: allocated once, written in place by all workers, used again and again.

Workers share it through a file descriptor without a name (memfd): nothing in /dev/shm to fill up or to leave
behind, gone with the last process that holds it.
"""

import math
import mmap
import os
from dataclasses import dataclass

import numpy as np

from vidprep.errors import LoaderError
from vidprep.load.decoding.pixels import Uint8s
from vidprep.machine import available_memory


@dataclass(frozen=True)
class RingShape:
    """The shape of the ring's memory: slots x views x frames x one frame, all uint8.

    Attributes:
        num_slots: Batches that exist at a time.
        num_views: Rows of a batch.
        clip_len: Frames of a row.
        frame: Shape of one frame, see `vidprep.load.decoding.pixels`.
    """

    num_slots: int
    num_views: int
    clip_len: int
    frame: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole ring."""
        return self.num_slots * self.num_views * self.clip_len * math.prod(self.frame)


def open_memory(size_bytes: int) -> int:
    """Return a descriptor of `size_bytes` of shared memory; it lives until the last holder closes it.

    Raises:
        LoaderError: If less memory is available.
    """
    available = available_memory()
    if size_bytes > available:
        raise LoaderError(
            f"The batches need {size_bytes / 2**30:.2f} GiB of memory, {available / 2**30:.2f} GiB are "
            "available. Use a smaller batch_size, or fewer batches ahead (LoaderOptions.num_slots)."
        )
    descriptor = os.memfd_create("vidprep-batches")
    os.ftruncate(descriptor, size_bytes)
    return descriptor


def map_ring(descriptor: int, shape: RingShape) -> Uint8s:
    """Return the ring as an array of shape (slots, views, frames, *frame)."""
    memory = mmap.mmap(descriptor, shape.size_bytes)
    flat = np.frombuffer(memory, np.uint8)
    return flat.reshape(shape.num_slots, shape.num_views, shape.clip_len, *shape.frame)
