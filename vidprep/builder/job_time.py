"""Begin no video that may not be finished when the worker's job ends, judging by the videos before it.

A batch system ends a job when its time is up, and the videos in progress are lost. The end is read from
$VIDPREP_JOB_END (seconds since 1970), else from $SLURM_JOB_END_TIME, which newer versions of SLURM set; if
neither is set, every video is begun.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

_END = ("VIDPREP_JOB_END", "SLURM_JOB_END_TIME")
_CAUTION = 2.0  # times what videos took on average
_LOOK_SECONDS = 0.2


@dataclass
class Pace:
    """How long the videos that this process has transcoded took.

    Attributes:
        num: Number of videos.
        seconds: Time that they took together.
        size_bytes: Size of their sources together.
    """

    num: int = 0
    seconds: float = 0.0
    size_bytes: int = 0

    def note(self, size_bytes: int, seconds: float) -> None:
        """Learn from a video; a size of 0 or less is unknown."""
        self.num += 1
        self.seconds += seconds
        self.size_bytes += max(size_bytes, 0)

    def expected_seconds(self, size_bytes: int) -> float:
        """Return how long a video may take at most, by the size of its source or, if unknown, like others.

            2 videos, 10 s, 4 MB: one of 6 MB -> 2 * 10 / 4 * 6 = 30.0 s; of any size -> 2 * 10 / 2 = 10.0 s

        The first one is expected to take no time: else a job shorter than that would never begin anything.
        """
        if not self.num:
            return 0.0
        if size_bytes > 0 and self.size_bytes:
            return _CAUTION * self.seconds / self.size_bytes * size_bytes
        return _CAUTION * self.seconds / self.num


PACE = Pace()  # one for the process: what was learned from one shard holds for the next


def wait_if_too_late(
    size_bytes: int, tell: Callable[[float, float], object], stop_if_asked: Callable[[], object]
) -> None:
    """Return if a video may be begun; else wait until the job ends, or a stop is requested.

    Nothing is lost by waiting: the time that is left is too short for the video, and other workers go on.

    Args:
        size_bytes: Size of its source; 0 or less: unknown.
        tell: Called with the seconds that the video may take and those that the job has left, before waiting.
        stop_if_asked: Raises `BuildStopped` if a stop was requested.
    """
    end = _job_end()
    if end is None:
        return
    seconds, left = PACE.expected_seconds(size_bytes), end - time.time()
    if seconds <= left or left <= 0:  # a job that outlives its end has got more time
        return
    tell(seconds, left)
    while time.time() < end:
        stop_if_asked()
        time.sleep(_LOOK_SECONDS)


def _job_end() -> float | None:
    words = next(filter(None, map(os.environ.get, _END)), "")
    return float(words) if words.isdecimal() else None
