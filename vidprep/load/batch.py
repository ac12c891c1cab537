"""What a loader gives: uint8 crops with everything that is known about them.

N = clips of this rank, or views of one video; T = frames; `vidprep.load.decoding.pixels`
says how a frame is laid out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vidprep.errors import BatchExpired
from vidprep.load.decoding.pixels import Pixels

if TYPE_CHECKING:
    from vidprep.load.showing import Shown


class Lease:
    """The right to use memory of a loader: shared by a batch and its `rows`, ended by the loader."""

    def __init__(self) -> None:
        self._waits: list[Callable[[], object]] = []
        self._has_ended = False

    def wait_before_reuse(self, wait: Callable[[], object]) -> None:
        """Have `wait` called before the memory is written again or freed."""
        self._waits.append(wait)

    def wait(self) -> None:
        """Wait for all copies out of the memory that have begun."""
        while self._waits:
            self._waits.pop()()

    def end(self) -> None:
        """Wait, then refuse further use."""
        self.wait()
        self._has_ended = True

    def check(self) -> None:
        """Raise `BatchExpired` if the lease has ended."""
        if self._has_ended:
            raise BatchExpired(
                "This batch was given back when the next one was asked for: its memory is used for other "
                "clips. To keep a batch, call batch.to(device) or batch.clone() before that."
            )


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips, labels, and where the pixels come from.

    A batch that a loader gives lies in the loader's own memory, which is used again once the next batch has
    been asked for: from then on `video` raises `BatchExpired`. What `to(device)` and `clone()` return has
    memory of its own. All other tensors may be kept, and stay on the CPU unless moved.

    Attributes:
        video: (N, T, *frame) uint8: N clips (or views) of T frames. A frame is (S, S, 3) with "rgb" and
            (3S/2, S) with "yuv420", see `vidprep.load.decoding.pixels`.
        label: (N,) int64.
        key: N keys.
        frame_indices: (N, T) int32, numbers of the frames in their video.
        num_frames: (N,) int32, frames of the whole video.
        fps: (N,) float64, rate of the stored video; 0 where a third-party tar does not tell.
        box: (N, 4) int32, top, left, height, width in pixels of the stored frame; always on the CPU.
        flip: (N,) bool: whether the transforms mirror the clip; `label` is that of the mirrored clip.
        pixels: "yuv420" or "rgb", the format of `video`.
        crop_size: Side in pixels to which the transforms resize the boxes.
        epoch: The epoch that decided the clips; 0 for views of an evaluation.
    """

    video: torch.Tensor
    label: torch.Tensor
    key: tuple[str, ...]
    frame_indices: torch.Tensor
    num_frames: torch.Tensor
    fps: torch.Tensor
    box: torch.Tensor
    flip: torch.Tensor
    pixels: Pixels
    crop_size: int
    epoch: int = 0
    _lease: Lease = field(default_factory=Lease, repr=False)

    def __getattribute__(self, name: str) -> Any:
        if name == "video":
            object.__getattribute__(self, "_lease").check()
        return object.__getattribute__(self, name)

    def __len__(self) -> int:
        return len(self.key)

    def __repr__(self) -> str:
        video: torch.Tensor = object.__getattribute__(self, "video")
        return f"Batch({len(self)} clips, video={tuple(video.shape)} {self.pixels} on {video.device})"

    def to(self, device: torch.device | str) -> "Batch":
        """Copy pixels and labels to a device; the copy is the caller's own, also on the device they are on.

        To a GPU the copy runs beside the CPU's work; the loader waits for it before it reuses the memory.
        """
        device = torch.device(device)
        video, wait = _begin_copy(self.video, device)
        if wait:
            self._lease.wait_before_reuse(wait)
        label = self.label.to(device, non_blocking=True)
        return replace(self, video=video, label=label, _lease=Lease())

    def rows(self, start: int, stop: int) -> "Batch":
        """Return clips `start` to `stop - 1` as a batch in the same memory, which expires with this one."""
        return replace(
            self,
            video=self.video[start:stop],
            label=self.label[start:stop],
            key=self.key[start:stop],
            frame_indices=self.frame_indices[start:stop],
            num_frames=self.num_frames[start:stop],
            fps=self.fps[start:stop],
            box=self.box[start:stop],
            flip=self.flip[start:stop],
        )

    def show(self, **options: Any) -> "Shown":
        """Show the clips as the network sees them; `options` are those of `vidprep.show`."""
        from vidprep.load.showing import show

        return show(self, **options)

    def clone(self) -> "Batch":
        """Return a copy with memory of its own, on the same device."""
        return self.to(self.video.device)


def own_memory(given: Any, batch: Batch) -> Any:
    """Return what a transform made of a batch, with copies of bare pixels that lie in the loader's memory.

    A tensor or an array cannot refuse to be used once its memory shows other clips, as a `Batch` does.
    """
    if isinstance(given, Batch):
        return given
    if type(given) is dict:
        return {name: own_memory(value, batch) for name, value in given.items()}
    if type(given) in (list, tuple):
        return type(given)(own_memory(value, batch) for value in given)
    memory = object.__getattribute__(batch, "video")
    if isinstance(given, torch.Tensor):
        shares = given.untyped_storage().data_ptr() == memory.untyped_storage().data_ptr()
        return given.clone() if shares else given
    if isinstance(given, np.ndarray) and not memory.is_cuda:
        return given.copy() if np.may_share_memory(given, memory.numpy()) else given
    return given


def _begin_copy(
    tensor: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, Callable[[], object] | None]:
    """Copy a tensor; return the copy and what to call before the original may change, if anything."""
    copy = tensor.to(device, non_blocking=True, copy=True)
    if not copy.is_cuda or tensor.is_cuda:
        return copy, None
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(copy.device))
    return copy, copied.synchronize
