"""Measure a loader with nothing behind it: what it can give at most on this machine."""

import time
from dataclasses import dataclass

import pyarrow as pa

from vidprep.errors import LoaderError
from vidprep.load.clip_loader import ClipLoader
from vidprep.load.decoding.pixels import Pixels
from vidprep.load.options import LoaderOptions
from vidprep.load.stats import Stats
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet

_LONG_EPOCH = 100_000  # samples: minutes, at any speed
_WARM_UP = 3  # batches: one for each slot of the ring


@dataclass(frozen=True)
class BenchReport:
    """What was measured, after the workers had started.

    Attributes:
        setup: The shard set, the split and the batches, as text.
        seconds: How long the measurement took.
        num_clips: Clips loaded in this time.
        size_bytes: Bytes of the stored videos that were read for them.
        stats: Counts and times of the whole run.
        clip: Which frames and pixels of each video were loaded.
    """

    setup: str
    seconds: float
    num_clips: int
    size_bytes: int
    stats: Stats
    clip: TrainClip

    @property
    def clips_per_second(self) -> float:
        """Clips loaded, divided by the seconds."""
        return self.num_clips / self.seconds

    def workers_for(self, gpu_clips_per_second: float) -> float:
        """Return how many workers of this speed feed a GPU that trains on `gpu_clips_per_second`."""
        return gpu_clips_per_second * max(1, self.stats.num_workers) / self.clips_per_second

    def text(self) -> str:
        """Return the report as lines for a terminal."""
        rate = self.clips_per_second
        cores = max(1, self.stats.num_workers)
        stats = self.stats
        busy = stats.read + stats.decode + stats.convert
        shares = {"read": stats.read, "decode": stats.decode, "convert": stats.convert}
        return "\n".join(
            [
                self.setup,
                f"{rate:.1f} clips/s, {self.size_bytes / self.seconds / 1e6:.1f} MB/s of stored video",
                f"{rate / cores:.1f} clips/s a worker with {stats.num_workers} workers",
                "worker time: " + ", ".join(f"{name} {share / busy:.0%}" for name, share in shares.items()),
                f"this process: {stats.collate / stats.elapsed:.1%} of its time planning and collating",
                stats.bottleneck(),
            ]
        )


def bench_shards(
    shards: str,
    split: str,
    *,
    batch_size: int,
    num_workers: int | None,
    pixels: Pixels,
    seconds: float,
    clip: TrainClip | None = None,
) -> BenchReport:
    """Load training clips for some seconds, epoch after epoch.

    Args:
        shards: A shard set: its folder or its URL.
        split: E.g. "train".
        batch_size: Clips of a batch, at most as many as there are videos.
        num_workers: Processes that decode; None: as many as `LoaderOptions` takes by default.
        pixels: "yuv420" or "rgb".
        seconds: How long to measure, after the workers have started.
        clip: Which clips to load; None: those of the shard set's recipe.

    Raises:
        LoaderError: If the settings do not fit the shards.
        ShardError: If there is no such shard set.
    """
    opened = ShardSet.open(shards)
    if clip is None:
        clip = opened.manifest.recipe.train_clip if opened.manifest else TrainClip()
    num_videos = len(opened.split(split))
    batch_size = min(batch_size, num_videos)
    try:
        loader = ClipLoader(
            repeated(opened, -(-_LONG_EPOCH // num_videos)),
            split,
            clip=clip,
            batch_size=batch_size,
            pixels=pixels,
            options=LoaderOptions(num_workers=num_workers),
        )
    except ValueError as error:
        raise LoaderError(str(error)) from error
    stats, given, warm_bytes = loader.stats(), 0, 0
    start = now = time.perf_counter()
    for number, batch in enumerate(loader):
        now = time.perf_counter()
        if number < _WARM_UP:  # these wait for the workers to start
            start, warm_bytes = now, stats.size_bytes
        else:
            given += len(batch)
        if now - start >= seconds and given:
            break
    setup = (
        f"{opened.root} {split}: {num_videos} videos over and over, batches of {batch_size} {pixels} clips"
    )
    return BenchReport(setup, now - start, given, stats.size_bytes - warm_bytes, stats, clip)


def repeated(shards: ShardSet, times: int) -> ShardSet:
    """Return a shard set whose index lists each sample several times: an epoch long enough to measure."""
    return shards.with_index(pa.concat_tables([shards.index] * times))
