"""Batches as plain dictionaries with memory of their own, for trainers that know nothing of `Batch`."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from vidprep.load.batch import Batch
from vidprep.load.transforms import IMAGENET_MEAN, IMAGENET_STD, to_network_input, to_rgb
from vidprep.shards.shard_set import ShardSet

Layout = Literal["BCTHW", "BTCHW"]
Output = Literal["batch", "dict"]
_LAYOUTS = ("BCTHW", "BTCHW")


@dataclass(frozen=True)
class DictOutput:
    """What a dictionary holds: `video`, `label`, `key`, `fps`, `num_frames`, `frame_indices`.

    B = clips, C = colours, T = frames, H and W = `crop_size`. `fps` and `num_frames` are those of the stored
    video.

    Attributes:
        layout: "BCTHW" as most networks for video take it, or "BTCHW" as those of transformers do.
        dtype: `torch.uint8`, levels 0 to 255; or a floating type, normalised with `mean` and `std`.
        mean: Means of R, G and B, where 1 is white; unused with uint8.
        std: Standard deviations of R, G and B.
        class_names: Whether to add `class`, the class name of each clip.
    """

    layout: Layout = "BCTHW"
    dtype: torch.dtype = torch.uint8
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    class_names: bool = False

    def __post_init__(self) -> None:
        if self.layout not in _LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(_LAYOUTS)}; got {self.layout!r}.")
        if self.dtype != torch.uint8 and not self.dtype.is_floating_point:
            raise ValueError(f"dtype must be torch.uint8 or a floating type, got {self.dtype}.")


class DictMaker:
    """Makes dictionaries of the batches of one shard set.

    Args:
        output: "dict", or what the dictionaries are to hold.

    Raises:
        ValueError: If `output` is neither.
    """

    def __init__(self, output: Output | DictOutput, shards: ShardSet) -> None:
        if output != "dict" and not isinstance(output, DictOutput):
            raise ValueError(f'output must be "batch", "dict" or a DictOutput, got {output!r}.')
        self._output = output if isinstance(output, DictOutput) else DictOutput()
        self._names = {label: name for name, label in shards.classes.items()} if self._has_names else {}

    @property
    def _has_names(self) -> bool:
        return self._output.class_names

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return a batch as a dictionary that shares no memory with the loader."""
        made: dict[str, Any] = {
            "video": _pixels(batch, self._output),
            "label": batch.label,
            "key": list(batch.key),
            "fps": batch.fps,
            "num_frames": batch.num_frames,
            "frame_indices": batch.frame_indices,
        }
        if self._has_names:
            made["class"] = [self._names[label] for label in batch.label.tolist()]
        return made


def _pixels(batch: Batch, output: DictOutput) -> torch.Tensor:
    """Return the clips of a batch in the layout and type that is wanted."""
    if output.dtype == torch.uint8:
        shown = to_rgb(batch)  # (B, T, C, H, W)
        return shown if output.layout == "BTCHW" else shown.transpose(1, 2).contiguous()
    clips = to_network_input(batch, dtype=output.dtype, mean=output.mean, std=output.std)
    return clips.transpose(1, 2).contiguous() if output.layout == "BTCHW" else clips
