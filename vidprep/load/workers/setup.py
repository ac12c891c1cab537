"""From options to a running engine; shared by both loaders."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from vidprep.load.decoding.pixels import Pixels, buffer_side, frame_shape
from vidprep.load.options import LoaderOptions
from vidprep.load.workers.engine import Engine, InlineEngine, ProcessEngine
from vidprep.load.workers.jobs import CacheConfig, WorkConfig
from vidprep.load.workers.ring import RingShape
from vidprep.shards.shard_set import ShardSet


def work_config(
    shards: ShardSet,
    options: LoaderOptions,
    *,
    pixels: Pixels,
    longest_side: int,
    num_jobs: int,
    views_per_job: int,
    clip_len: int,
) -> WorkConfig:
    """Return what workers have to know.

    Args:
        longest_side: Of any crop.
        num_jobs: Videos of a batch.
        views_per_job: Rows that each of them fills.

    Raises:
        ValueError: If the options do not fit the shard set.
    """
    side = buffer_side(pixels, longest_side)
    ring = RingShape(options.slots(num_jobs), num_jobs * views_per_job, clip_len, frame_shape(pixels, side))
    read_ahead = options.read_ahead or (2 if shards.is_local else 16)
    cache = _cache_config(shards, options)
    return WorkConfig(shards.root, pixels, side, options.backend, ring, read_ahead, cache)


def _cache_config(shards: ShardSet, options: LoaderOptions) -> CacheConfig | None:
    if options.cache_dir is None or options.cache_bytes is None:
        return None
    if shards.manifest is None:
        raise ValueError(f"{shards.root} has no manifest with hashes to check copies by: no cache_dir.")
    return CacheConfig(options.cache_dir, options.cache_bytes, shards.manifest.shards)


@contextmanager
def running_engine(config: WorkConfig, options: LoaderOptions) -> Iterator[Engine]:
    """Run the workers for the length of a `with` block; afterwards nothing of them is left.

    Raises:
        LoaderError: If there is no memory for the batches.
        ToolError: If the decoder backend is not installed.
        ValueError: If memory is to be pinned without a GPU.
    """
    if options.pin_memory and not torch.cuda.is_available():
        raise ValueError("pin_memory needs a GPU, and PyTorch sees none. Leave it out.")
    workers = options.workers()
    engine: Engine
    if workers:
        engine = ProcessEngine(config, num_workers=workers, timeout_seconds=options.timeout_seconds)
    else:
        engine = InlineEngine(config)
    try:
        with _pinned(engine) if options.pin_memory else nullcontext():
            yield engine
    finally:
        engine.close()


@contextmanager
def _pinned(engine: Engine) -> Iterator[None]:
    """Lock the ring into memory for the GPU's copy engine, whoever allocated it."""
    address, runtime = engine.ring.ctypes.data, torch.cuda.cudart()  # type: ignore[no-untyped-call]
    torch.cuda.check_error(int(runtime.cudaHostRegister(address, engine.ring.nbytes, 0)))
    try:
        yield
    finally:
        runtime.cudaHostUnregister(address)
