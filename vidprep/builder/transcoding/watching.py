"""What is learned from the frames of a stored video while they are decoded for checking anyway."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import av


class FrameWatcher(Protocol):
    """Looks at frames as they pass by; it may keep what it made of one, but not the frame."""

    def see(self, number: int, frame: av.VideoFrame) -> object:
        """Look at frame `number`, 0 for the first."""


def count_watched(frames: Iterable[av.VideoFrame], watchers: Sequence[FrameWatcher]) -> int:
    """Show each frame to all watchers, in order, and return how many frames there were."""
    num_frames = 0
    for frame in frames:
        for watcher in watchers:
            watcher.see(num_frames, frame)
        num_frames += 1
    return num_frames
