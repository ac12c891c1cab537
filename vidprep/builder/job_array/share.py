"""One task of a job array: it fills its share of the shards, and makes the set if it is the last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vidprep.builder.engines.engine import RunShards
from vidprep.builder.job_array.gather import check_same_plan
from vidprep.builder.plan import Plan
from vidprep.builder.run import OnEvent, fill_shards, working_in
from vidprep.builder.workspace.finished import read_done
from vidprep.builder.workspace.lock import check_is_ours
from vidprep.builder.workspace.shares import finished_anywhere, share_dir, share_dirs
from vidprep.errors import BuildBusy
from vidprep.shards.manifest import Manifest


@dataclass(frozen=True)
class Share:
    """The share of one task.

    Attributes:
        number: Number of the task, from 1.
        total: Tasks of the array.
    """

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "3/8": the third of eight tasks.

        Raises:
            ValueError: If the text is malformed.
        """
        number, slash, total = text.partition("/")
        if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
            raise ValueError(f"array must be I/N, task I of 1 to N, e.g. 3/8; got {text!r}.")
        return cls(int(number), int(total))

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def shards(self, num_shards: int) -> range:
        """Return its shards: every N-th, so that all tasks have about as many of each split."""
        return range(self.number - 1, num_shards, self.total)


def build_share(
    plan: Plan,
    out_dir: Path,
    share: Share,
    engine: RunShards,
    on_event: OnEvent,
    make_set: Callable[[], Manifest],
    *,
    ffmpeg: str | None = None,
) -> tuple[Manifest | None, int]:
    """Build the shards of one task that are not finished yet; the last task makes the set.

    Args:
        plan: Which video goes into which shard; the same for all tasks.
        out_dir: The shard set, on a file system that all tasks share.
        share: Which of the shards.
        engine: Builds shards; see `choose_engine`.
        on_event: Called with each event.
        make_set: Makes the set of what all tasks have finished; called by one task at most.
        ffmpeg: Path of the user's FFmpeg; None: the one that comes with vidprep.

    Returns:
        The manifest if the set is complete, else None; and how many shards are not finished yet.

    Raises:
        BuildError: If another process has this share in hand, or there is the build of another plan.
        BuildStopped: On Ctrl-C or SIGTERM; what is finished is kept.
    """
    check_is_ours(out_dir)
    for begun in (out_dir, *share_dirs(out_dir)):
        check_same_plan(begun, plan.facts)
    folder = share_dir(out_dir, share.number, share.total)
    numbers = share.shards(len(plan.facts.shard_sizes))
    elsewhere = finished_anywhere(out_dir, plan.facts)
    with working_in(folder):
        fill_shards(plan, folder, engine, on_event, ffmpeg, [n for n in numbers if n not in elsewhere])
    num_left = len(plan.facts.shard_sizes) - len(finished_anywhere(out_dir, plan.facts))
    if num_left:
        return None, num_left
    try:
        return make_set(), 0
    except BuildBusy:  # the other task that found all shards finished, or a build, makes it
        return None, 0


def fill_share(
    plan: Plan,
    folder: Path,
    numbers: Sequence[int],
    engine: RunShards,
    on_event: OnEvent,
    *,
    look: Callable[[], object],
    ffmpeg: str | None = None,
) -> int:
    """Fill some shards of a build for a store, in a folder that knows which ones are finished there.

    Args:
        plan: Which video goes into which shard; the same for all tasks.
        folder: The outline of the set on this machine.
        numbers: Numbers of the task's shards.
        engine: Builds shards; see `choose_engine`.
        on_event: Called with each event.
        look: Brings the outline up to date with the store.
        ffmpeg: Path of the user's FFmpeg; None: the one that comes with vidprep.

    Returns:
        How many shards of the plan are not finished yet, those of other tasks included.
    """
    with working_in(folder):
        fill_shards(plan, folder, engine, on_event, ffmpeg, numbers)
        look()
    return len(plan.facts.shard_sizes) - len(read_done(folder, plan.facts))
