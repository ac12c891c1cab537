"""What a worker needs to know to build a shard, and how it is asked to stop."""

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vidprep
from vidprep.builder.places.place import OnDisk, Place
from vidprep.builder.workspace.lock import is_asked_to_stop
from vidprep.errors import BuildStopped, ToolError
from vidprep.recipes.recipe import Transcode

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to know to build a shard; its videos are listed in the plan on disk.

    Attributes:
        out_dir: The folder in which the build was begun: the shard set, or the outline of one in a store.
        shard: Number in the plan.
        transcode: How to store a video.
        ffmpeg: Path of the user's FFmpeg; None: the one that comes with vidprep.
        ffmpeg_version: The version that FFmpeg must have on every machine.
        frame_rate: Images a second of sources that are folders of images; 0.0: they are video files.
        label_sets: Classes of each further label of a sample.
        place: Where the shard is kept.
        run: A random id of this run of the build.
        source_bytes: Size of its raw videos together, as far as it is known.
        vidprep_version: The version of vidprep on the machine that began the build.
    """

    out_dir: Path
    shard: int
    transcode: Transcode
    ffmpeg: str | None
    ffmpeg_version: str
    frame_rate: float = 0.0
    label_sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    place: Place = field(default_factory=OnDisk)
    run: str = ""
    source_bytes: int = 0
    vidprep_version: str = field(default_factory=lambda: vidprep.__version__)

    @property
    def name_of_stop(self) -> str:
        """Name of a request to stop working on this shard only: another worker was faster."""
        return f"{self.run}-{self.shard}"

    def check_vidprep(self) -> None:
        """Make sure that this machine has the vidprep that began the build.

        Raises:
            ToolError: If it has not.
        """
        if self.vidprep_version != vidprep.__version__:
            raise ToolError(
                f"{platform.node()} has vidprep {vidprep.__version__}, the build was begun with "
                f"{self.vidprep_version}. Install the same version everywhere; finished shards are kept."
            )


def stop_if_asked(task: ShardTask) -> None:
    """Raise `BuildStopped` if the workers on a shard, or all, were asked to stop."""
    if is_asked_to_stop(task.out_dir, task.name_of_stop):
        raise BuildStopped("Stopped on request.")


def stop_if_build_is_asked(task: ShardTask) -> None:
    """Raise `BuildStopped` if the whole build that a task is of was asked to stop, not only its shard."""
    if is_asked_to_stop(task.out_dir):
        raise BuildStopped("Stopped on request.")
