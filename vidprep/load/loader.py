"""What both loaders share: a split of a shard set, the workers for it, and one iteration at a time."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from vidprep.errors import LoaderError
from vidprep.load.batch import Batch
from vidprep.load.decoding.pixels import Pixels, buffer_side, frame_shape
from vidprep.load.options import LoaderOptions
from vidprep.load.stats import Stats
from vidprep.load.workers.engine import Engine, running_engine
from vidprep.load.workers.jobs import CacheConfig, WorkConfig
from vidprep.load.workers.ring import RingShape
from vidprep.shards.shard_set import ShardSet


class Loader:
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
        options: LoaderOptions,
    ) -> None:
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be from 0 to world_size - 1 = {world_size - 1}, got {rank}.")
        self._shards = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        self._split = self._shards.split(split)
        self._shards.check_shards(split)
        self._rank, self._world_size = rank, world_size
        self._pixels, self._options = pixels, options
        self._stats = Stats(num_workers=options.workers())
        self._live_iteration: object | None = None

    def stats(self) -> Stats:
        """Return where the time went so far."""
        return self._stats

    def _work_config(
        self, *, longest_side: int, num_jobs: int, views_per_job: int, clip_len: int
    ) -> WorkConfig:
        """Return what workers have to know.

        Args:
            longest_side: Of any crop.
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
        """Run the workers for one iteration over the loader.

        Raises:
            LoaderError: If another iteration is not finished.
        """
        self._check_idle("begin another iteration")
        this = self._live_iteration = object()
        try:
            with running_engine(self._config, self._options) as engine:
                yield engine
        finally:
            if self._live_iteration is this:
                self._live_iteration = None

    def _check_idle(self, purpose: str) -> None:
        if self._live_iteration is not None:
            raise LoaderError(
                f"Cannot {purpose}: an iteration over this loader is not finished. Go on to its end, or call "
                "close() of its iterator; for two iterations side by side make two loaders."
            )

    def _hand_out(self, batch: Batch) -> Generator[Batch, None, None]:
        """Yield a batch; its memory may be used again, or freed, when this returns."""
        self._stats.collate += self._stats.lap()
        try:
            yield batch
        finally:
            batch._lease.wait()  # also when the caller has left the loop: the memory is about to be freed
        batch._lease.end()
        self._stats.consume += self._stats.lap()


def _cache_config(shards: ShardSet, options: LoaderOptions) -> CacheConfig | None:
    if options.cache_dir is None or options.cache_bytes is None:
        return None
    if shards.manifest is None:
        raise ValueError(f"{shards.root} has no manifest with hashes to check copies by: no cache_dir.")
    return CacheConfig(options.cache_dir, options.cache_bytes, shards.manifest.shards)
