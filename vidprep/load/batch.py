"""What a loader gives: uint8 crops with everything that is known about them.

N = clips of this rank, or views of one video; T = frames; `vidprep.load.decoding.pixels`
says how a frame is laid out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from vidprep.load.decoding.pixels import Pixels


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips, labels, and where the pixels come from.

    `video` lies in the loader's own memory and is overwritten after the next batch has been asked for: use
    `to(device)` or `clone()` for what is to live longer. All other tensors stay on the CPU unless moved.

    Attributes:
        video: (N, T, *frame) uint8.
        label: (N,) int64.
        key: N keys.
        frame_indices: (N, T) int32, numbers of the frames in their video.
        box: (N, 4) int32, top, left, height, width in pixels of the stored frame; always on the CPU.
        flip: (N,) bool: to be mirrored by the transforms; `label` is that of the mirrored clip.
        pixels: "yuv420" or "rgb".
        crop_size: Side to which the boxes are resized by the transforms.
    """

    video: torch.Tensor
    label: torch.Tensor
    key: tuple[str, ...]
    frame_indices: torch.Tensor
    box: torch.Tensor
    flip: torch.Tensor
    pixels: Pixels
    crop_size: int
    _before_reuse: list[Callable[[], object]] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.key)

    def __repr__(self) -> str:
        return (
            f"Batch({len(self)} clips, video={tuple(self.video.shape)} {self.pixels} on {self.video.device})"
        )

    def to(self, device: torch.device | str) -> "Batch":
        """Copy pixels and labels to a device.

        To a GPU the copy runs beside the CPU's work; the loader waits for it before it reuses the memory.
        """
        moved = replace(
            self,
            video=self.video.to(device, non_blocking=True),
            label=self.label.to(device, non_blocking=True),
            _before_reuse=[],
        )
        if moved.video.is_cuda and not self.video.is_cuda:
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record(torch.cuda.current_stream(moved.video.device))
            self._before_reuse.append(copied.synchronize)
        return moved

    def rows(self, start: int, stop: int) -> "Batch":
        """Return clips `start` to `stop - 1`, in the same memory."""
        return replace(
            self,
            video=self.video[start:stop],
            label=self.label[start:stop],
            key=self.key[start:stop],
            frame_indices=self.frame_indices[start:stop],
            box=self.box[start:stop],
            flip=self.flip[start:stop],
            _before_reuse=[],
        )

    def clone(self) -> "Batch":
        """Return a copy that is not overwritten."""
        return replace(self, video=self.video.clone(), _before_reuse=[])

    def release(self) -> None:
        """Wait for the copies that `to` has begun; the loader calls it."""
        for wait in self._before_reuse:
            wait()
        self._before_reuse.clear()
