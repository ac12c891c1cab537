"""Where a loader's time goes."""

import time
from dataclasses import dataclass, field

from vidprep.load.workers.jobs import Done

# Below this share of its time spent waiting for clips, the training is not held up.
_WAITS_LITTLE = 0.05


@dataclass
class Stats:
    """Seconds by stage since the loader was made; those of the workers are summed over them.

    Attributes:
        num_workers: Processes that decode; 0 if this one does.
        num_clips: Decoded clips (views, in evaluation).
        num_batches: Batches given.
        num_decode_errors: Videos left out because they did not decode.
        size_bytes: Bytes of the videos that were read.
        read: Reading and checking bytes, in the workers.
        decode: Demuxing and decoding, in the workers.
        convert: Cutting crops into the batch, in the workers.
        collate: Planning clips, handing out jobs and making batches, in this process.
        wait: Waiting for clips, in this process.
        consume: The caller's own work between two batches, in this process.
    """

    num_workers: int = 0
    num_clips: int = 0
    num_batches: int = 0
    num_decode_errors: int = 0
    size_bytes: int = 0
    read: float = 0.0
    decode: float = 0.0
    convert: float = 0.0
    collate: float = 0.0
    wait: float = 0.0
    consume: float = 0.0
    _since: float = field(default_factory=time.perf_counter, repr=False)

    def lap(self) -> float:
        """Return the seconds since `lap` was last called."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        return seconds

    def add(self, done: Done, num_views: int) -> None:
        """Count a finished job."""
        self.num_clips += num_views
        self.size_bytes += done.size_bytes
        self.read += done.read
        self.decode += done.decode
        self.convert += done.convert

    @property
    def elapsed(self) -> float:
        """Seconds of all stages of this process: `collate`, `wait` and `consume`."""
        return self.collate + self.wait + self.consume

    def bottleneck(self) -> str:
        """Say in one sentence what limits the speed."""
        if not self.num_batches:
            return "Nothing was loaded yet."
        waiting = self.wait / self.elapsed
        if waiting < _WAITS_LITTLE:
            return f"The caller is the bottleneck: it waited for clips {waiting:.0%} of the time."
        stages = {"reading": self.read, "decoding": self.decode, "converting": self.convert}
        slowest = max(stages, key=lambda name: stages[name])
        share = stages[slowest] / sum(stages.values())
        busy = (self.decode + self.convert) / max(1, self.num_workers) / self.elapsed
        text = f"{slowest.capitalize()} is the bottleneck: {share:.0%} of the workers' time"
        text += f"; the caller waited for clips {waiting:.0%} of its own"
        if slowest == "reading" and busy < 0.5:
            return f"{text}. The workers are idle while bytes come: use a cache_dir or a higher read_ahead."
        return f"{text}. More workers help as long as there are cores."
