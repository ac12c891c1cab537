"""What both loaders share: a split of a shard set, the workers for it, and one iteration at a time."""

import os
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch.utils.data import IterableDataset, get_worker_info

from vidprep.errors import LoaderError
from vidprep.load.batch import Batch, Lease, own_memory
from vidprep.load.decoding.pixels import Pixels, buffer_side, frame_shape
from vidprep.load.options import LoaderOptions
from vidprep.load.output import DictMaker, DictOutput, Output
from vidprep.load.stats import Stats
from vidprep.load.workers.engine import Engine, running_engine
from vidprep.load.workers.jobs import CacheConfig, WorkConfig
from vidprep.load.workers.ring import RingShape
from vidprep.shards.shard_set import ShardSet


class Loader(IterableDataset[Any]):
    """The common part of `ClipLoader` and `ViewLoader`; their documentation names the arguments."""

    _config: WorkConfig  # set by the loaders, which know how large a batch is

    def __init__(
        self,
        shards: ShardSet | Path | str,
        split: str,
        *,
        rank: int,
        world_size: int,
        pixels: Pixels,
        output: Output | DictOutput,
        transform: Callable[[Any], Any] | None,
        options: LoaderOptions,
    ) -> None:
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be from 0 to world_size - 1 = {world_size - 1}, got {rank}.")
        self._shards = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        self._split = self._shards.split(split)
        self._shards.check_shards(split)
        self._rank, self._world_size = rank, world_size
        self._pixels, self._options = pixels, options
        self._form = None if output == "batch" else DictMaker(output, self._shards)
        self._transform = transform
        self._stats = Stats(num_workers=options.workers())
        self._live_iteration: object | None = None
        self._engine: Engine | None = None
        self._end_engine: weakref.finalize[..., Loader] | None = None
        self._engine_pid = 0
        self._last_lease = Lease()

    def close(self) -> None:
        """End the workers and free the memory of the batches; another iteration starts new ones.

        Not needed before the program ends, nor where the loader is forgotten: both do the same.
        """
        self._last_lease.wait()
        self._last_lease = Lease()  # what the caller holds stays as it is: this memory is not used again
        if self._end_engine:
            self._end_engine()
        self._engine = self._end_engine = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def rank(self) -> int:
        """Number of this loader among `world_size`, from 0."""
        return self._rank

    @property
    def world_size(self) -> int:
        """How many loaders, one a process, share the batches."""
        return self._world_size

    def stats(self) -> Stats:
        """Return where the time went so far."""
        return self._stats

    def _work_config(
        self, *, longest_side: int, num_jobs: int, views_per_job: int, clip_len: int
    ) -> WorkConfig:
        """Return the settings that a worker needs.

        Args:
            longest_side: The longest side of any crop.
            num_jobs: Videos of a batch.
            views_per_job: Rows that each of them fills.

        Raises:
            ValueError: If the options do not fit the shard set.
        """
        options = self._options
        side = buffer_side(self._pixels, longest_side)
        ring = RingShape(
            options.slots(num_jobs), num_jobs * views_per_job, clip_len, frame_shape(self._pixels, side)
        )
        read_ahead = options.read_ahead or (2 if self._shards.is_local else 16)
        cache = _cache_config(self._shards, options)
        return WorkConfig(self._shards.root, self._pixels, side, options.backend, ring, read_ahead, cache)

    @contextmanager
    def _iteration(self) -> Iterator[Engine]:
        """Give the workers for one iteration over the loader; if it comes to its end, they live on.

        Raises:
            LoaderError: If another iteration is not finished.
        """
        if get_worker_info() is not None:
            raise LoaderError(
                "A loader has decoding processes of its own and cannot run in those of a DataLoader, each "
                "of which would give the whole epoch. Use DataLoader(loader, batch_size=None, num_workers=0) "
                "and LoaderOptions(num_workers=...)."
            )
        self._check_idle("begin another iteration")
        this = self._live_iteration = object()
        self._last_lease.end()  # where the caller has not asked for more than the last batch
        try:
            yield self._running_engine()
        finally:
            if self._live_iteration is this:  # left half-way: the workers still write into the memory
                self._live_iteration = None
                self.close()

    def _running_engine(self) -> Engine:
        """Return the workers of the iteration before, or start some: they take seconds to do so."""
        if self._engine_pid != os.getpid():  # a copy made by fork: those workers answer another process
            self.close()
        if self._engine is None:
            with ExitStack() as stack:
                self._engine = stack.enter_context(running_engine(self._config, self._options))
                self._end_engine = weakref.finalize(self, stack.pop_all().close)
            self._engine_pid = os.getpid()
        return self._engine

    def _check_idle(self, purpose: str) -> None:
        if self._live_iteration is not None:
            raise LoaderError(
                f"Cannot {purpose}: an iteration over this loader is not finished. Go on to its end, or call "
                "close() of its iterator; for two iterations side by side make two loaders."
            )

    def _hand_out(self, batch: Batch) -> Generator[Any, None, None]:
        """Yield a batch in its final form; its memory may be used again, or freed, when this returns."""
        given: Any = self._form(batch) if self._form else batch
        if self._transform:
            given = own_memory(self._transform(given), batch)
        self._stats.collate += self._stats.lap()
        self._last_lease = batch._lease
        try:
            yield given
        finally:
            batch._lease.wait()  # also when the caller has left the loop: the memory may be freed
        batch._lease.end()
        self._stats.consume += self._stats.lap()


def _cache_config(shards: ShardSet, options: LoaderOptions) -> CacheConfig | None:
    if options.cache_dir is None or options.cache_bytes is None:
        return None
    if shards.manifest is None:
        raise ValueError(f"{shards.root} has no manifest with hashes to check copies by: no cache_dir.")
    return CacheConfig(options.cache_dir, options.cache_bytes, shards.manifest.shards)
