"""Single samples, for trainers that bring their own sampler or a plain webdataset pipeline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidprep.errors import DecodeError
from vidprep.load.decoding.decode import PyavDecoder
from vidprep.load.reading import read_video
from vidprep.load.sampling.clips import train_frames
from vidprep.load.sampling.crops import train_box
from vidprep.load.sampling.draws import Draws
from vidprep.load.sampling.views import View
from vidprep.load.workers.jobs import reader_for
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet


def decode_clip(
    sample: Mapping[str, Any], *, clip: TrainClip, seed: int = 0, epoch: int = 0
) -> dict[str, Any]:
    """Decode a random training clip of a webdataset sample.

    A function of (seed, epoch, key): the same clip in whatever process and order. It is not mirrored.

        dataset = wds.WebDataset(urls).map(functools.partial(decode_clip, clip=TrainClip()))

    Args:
        sample: With `__key__`, `mp4`, `cls` and `json` as bytes, as a pipeline without `decode()` gives them.
        clip: Which frames and pixels to take; `spatial = "random_crop"` only, as nothing is resized here.

    Returns:
        `__key__`, `video` (T, crop_size, crop_size, 3) uint8 RGB, `label`, and `frame_indices` (T,).

    Raises:
        DecodeError: If the video does not decode.
        ValueError: If the crop does not fit.
    """
    facts = json.loads(sample["json"])
    key = str(sample["__key__"])
    size = (facts["width"], facts["height"])
    video, frames = _decode(sample["mp4"], key, clip, size, facts["num_frames"], (seed, epoch))
    return {"__key__": key, "video": video, "label": int(sample["cls"]), "frame_indices": frames}


class ShardDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """A split as a map-style dataset: `dataset[i]` is sample i, read by its byte range and decoded.

    Args:
        shards: A shard set, its folder or its URL.
        split: E.g. "train".
        clip: As for `decode_clip`.
        seed: With the epoch and the key, decides the clip.
    """

    def __init__(
        self, shards: ShardSet | Path | str, split: str = "train", *, clip: TrainClip, seed: int = 0
    ) -> None:
        self._shards = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        self._split = self._shards.split(split)
        self._reader = reader_for(self._shards.root, None)
        self._clip, self._seed = clip, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one sample; the same keys as `decode_clip`.

        Raises:
            ShardError: If its bytes are missing or damaged.
            DecodeError: If the video does not decode.
        """
        row = range(len(self))[index]  # negative numbers count from the end, others raise IndexError
        video = self._split.video(row)
        data = read_video(self._reader, video)
        size = (video.width, video.height)
        pixels, frames = _decode(
            data, video.key, self._clip, size, video.num_frames, (self._seed, self.epoch)
        )
        label = int(self._split.labels[row])
        return {"__key__": video.key, "video": pixels, "label": label, "frame_indices": frames}


def _decode(
    data: bytes, key: str, clip: TrainClip, size: tuple[int, int], num_frames: int, when: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    if clip.spatial != "random_crop":
        raise ValueError(f'spatial must be "random_crop" here, nothing is resized; got "{clip.spatial}".')
    frames = train_frames(clip, num_frames, Draws("clip", *when, key))
    box = train_box(clip, *size, Draws("crop", *when, key))
    out = np.empty((1, clip.clip_len, clip.crop_size, clip.crop_size, 3), np.uint8)
    view = View(tuple(frames), box)
    try:
        PyavDecoder("rgb", clip.crop_size).decode(data, [view], out, num_frames=num_frames)
    except DecodeError as error:
        raise DecodeError(f"{key} does not decode: {error}.") from error
    return torch.from_numpy(out[0]), torch.tensor(frames)
