"""All expected errors (files, data, tools, stop signals; not bugs), as one tree.

    VidprepError
    ├── RecipeError        a pipeline file, a --set, a manifest, a class list
    ├── AnnotationError    an annotation file
    ├── SourceError        a folder of raw videos
    ├── ToolError          FFmpeg, a scheduler: something that has to be there
    ├── BuildError         a build as a whole: another plan, no room, a lock
    │   ├── BuildBusy      another process works on the build
    │   └── BuildStopped   somebody asked the build to stop; it can be resumed
    ├── VideoRejected      one video, with its reason: becomes a ledger row
    ├── ShardError         a shard set on disk that is not what its manifest says
    ├── DecodeError        a stored video that does not decode
    ├── LoaderError        a loader as a whole: a worker that died or hangs, no room
    │   └── BatchExpired   a batch was used after the next one had been asked for
    ├── CheckpointError    a file of weights that is missing, unsafe, or of another network
    ├── ReportError        folders in which there is nothing to report on, or nothing that can be read
    └── HarnessError       a training or an evaluation as a whole: another run in its folder, a loss of NaN
        └── HarnessStopped somebody asked it to stop; it can be resumed

The command line prints these as one message and exits 1. A bad argument of a function is a `ValueError`.
Each message names what is wrong, with the value and the place; what would be right; what to do.
"""

import signal


class VidprepError(Exception):
    """Any expected failure; the message is for the user."""


class RecipeError(VidprepError):
    """A pipeline file, an override, a manifest or a class list is wrong."""


class AnnotationError(VidprepError):
    """An annotation file is missing, of another dataset, or malformed."""


class SourceError(VidprepError):
    """A folder of raw videos is missing or does not look like the dataset."""


class ToolError(VidprepError):
    """A program or service that the work depends on is missing or unfit."""


class BuildError(VidprepError):
    """A build as a whole cannot go on; finished shards are kept."""


class BuildBusy(BuildError):
    """Another process works on a build; it can be waited for."""


class BuildStopped(BuildError):
    """A build was asked to stop; running it again resumes it.

    Args:
        signal_number: Number of the signal that asked for the stop.
    """

    def __init__(self, message: str, signal_number: int = signal.SIGTERM) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class ShardError(VidprepError):
    """A shard set on disk is incomplete or differs from its manifest."""


class DecodeError(VidprepError):
    """A stored video does not decode; the message names key and shard."""


class LoaderError(VidprepError):
    """A loader cannot go on: a worker died or hangs, or there is no memory for its batches."""


class BatchExpired(LoaderError):
    """A batch was used after the loader had taken its memory back."""


class CheckpointError(VidprepError):
    """A file of weights is missing, unreadable, would run code when loaded, or is of another network."""


class HarnessError(VidprepError):
    """A training or an evaluation cannot go on; what it has saved is kept."""


class HarnessStopped(HarnessError):
    """A training or an evaluation was asked to stop and has saved where it was; it can be resumed.

    Args:
        signal_number: Number of the signal that asked for the stop.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class VideoRejected(VidprepError):
    """One video cannot be used.

    Args:
        reason: One of the words in `vidprep.shards.ledger.REASONS`.
        detail: What was seen, for a person; at most a line or two.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["VideoRejected"], tuple[str, str]]:
        return VideoRejected, (self.reason, self.detail)


class ReportError(VidprepError):
    """A folder holds nothing to report on, or its results are damaged."""
