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
from vidprep.load.sampling.flips import flip_partners
from vidprep.load.sampling.train_clip import ClipPlan, plan_clip
from vidprep.load.transforms import resize
from vidprep.load.workers.jobs import reader_for
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet


def decode_clip(
    sample: Mapping[str, Any], *, clip: TrainClip, seed: int = 0, epoch: int = 0
) -> dict[str, Any]:
    """Decode a random training clip of a webdataset sample.

    A function of (seed, epoch, key): the same clip in whatever process and order, so every epoch needs a
    pipeline of its own.

        dataset = wds.WebDataset(urls).map(functools.partial(decode_clip, clip=TrainClip(), epoch=epoch))

    Args:
        sample: With `__key__`, `mp4`, `cls` and `json` as bytes, as a pipeline without `decode()` gives them.
        clip: Which frames and pixels to take; not with `flip = "safe"`, for a sample does not say which
            classes there are.

    Returns:
        `__key__`, `video` (T, crop_size, crop_size, 3) uint8 RGB, `label`, and `frame_indices` (T,).

    Raises:
        DecodeError: If the video does not decode.
        ValueError: If the crop does not fit, or the clip is to be flipped safely.
    """
    if clip.flip == "safe":
        raise ValueError(
            'flip = "safe" needs the classes of the shard set: use ShardDataset, or "none" or "all".'
        )
    facts = json.loads(sample["json"])
    key = str(sample["__key__"])
    plan = plan_clip(
        clip,
        key,
        num_frames=facts["num_frames"],
        frame_size=(facts["width"], facts["height"]),
        label=int(sample["cls"]),
        partners={},
        seed=seed,
        epoch=epoch,
    )
    return _decode(sample["mp4"], key, plan, facts["num_frames"], clip.crop_size)


class ShardDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """A split as a map-style dataset: `dataset[i]` is sample i, read by its byte range and decoded.

    The clip, its crop and its flip are those that `ClipLoader` gives for the same seed, epoch and key.

    Args:
        shards: A shard set, its folder or its URL.
        split: E.g. "train".
        clip: Which frames and pixels of a video make a clip.
        seed: With the epoch and the key, decides the clip.

    Raises:
        ShardError: If there is no such shard set, or `clip.flip` is "safe" and it does not say its classes.
    """

    def __init__(
        self, shards: ShardSet | Path | str, split: str = "train", *, clip: TrainClip, seed: int = 0
    ) -> None:
        self._shards = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        self._split = self._shards.split(split)
        self._reader = reader_for(self._shards.root, None)
        self._clip, self._seed = clip, seed
        self._partners = flip_partners(self._shards, clip.flip)
        # Shared with the workers of a DataLoader, which may have been started before it changes.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self._split)

    @property
    def epoch(self) -> int:
        """The epoch that decides the clips; see `set_epoch`."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the clips of an epoch, also in the workers of a DataLoader that are running already.

        Call it between two passes: samples that workers have prepared ahead stay as they are.
        """
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one sample; the same keys as `decode_clip`.

        Raises:
            ShardError: If its bytes are missing or damaged.
            DecodeError: If the video does not decode.
            ValueError: If the crop does not fit.
        """
        row = range(len(self))[index]  # negative numbers count from the end, others raise IndexError
        video = self._split.video(row)
        plan = plan_clip(
            self._clip,
            video.key,
            num_frames=video.num_frames,
            frame_size=(video.width, video.height),
            label=int(self._split.labels[row]),
            partners=self._partners,
            seed=self._seed,
            epoch=self.epoch,
        )
        data = read_video(self._reader, video)
        return _decode(data, video.key, plan, video.num_frames, self._clip.crop_size)


def _decode(data: bytes, key: str, plan: ClipPlan, num_frames: int, crop_size: int) -> dict[str, Any]:
    frames, box = plan.view.frames, plan.view.box
    side = max(box.height, box.width)
    out = np.empty((1, len(frames), side, side, 3), np.uint8)
    try:
        PyavDecoder("rgb", side).decode(data, [plan.view], out, num_frames=num_frames)
    except DecodeError as error:
        raise DecodeError(f"{key} does not decode: {error}.") from error
    video = torch.from_numpy(out[0, :, : box.height, : box.width])
    if (box.height, box.width) != (crop_size, crop_size):
        levels = resize(video.permute(0, 3, 1, 2).float(), crop_size)
        video = levels.round().to(torch.uint8).permute(0, 2, 3, 1)
    if plan.flip:
        video = video.flip(2)
    return {
        "__key__": key,
        "video": video.contiguous(),
        "label": plan.label,
        "frame_indices": torch.tensor(frames),
    }
