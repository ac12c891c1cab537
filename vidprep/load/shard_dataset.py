"""Single samples, for trainers that bring their own sampler or a plain webdataset pipeline."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidprep.errors import DecodeError
from vidprep.load.decoding.decode import PyavDecoder
from vidprep.load.decoding.pixels import Uint8s
from vidprep.load.sampling.clips import eval_frames
from vidprep.load.sampling.crops import eval_boxes
from vidprep.load.sampling.train_clip import ClipPlan, ClipPlanner, Clips, VideoFacts
from vidprep.load.sampling.views import View
from vidprep.load.transforms import resize
from vidprep.load.workers.jobs import reader_for
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import read_video


def decode_clip(
    sample: Mapping[str, Any], *, clip: TrainClip, seed: int = 0, epoch: int = 0
) -> dict[str, Any]:
    """Decode a random training clip of a webdataset sample.

    A function of (seed, epoch, key): the same clip in every process and any order, so every epoch needs a
    pipeline of its own.

        dataset = wds.WebDataset(urls).map(functools.partial(decode_clip, clip=TrainClip(), epoch=epoch))

    Args:
        sample: With `__key__`, `mp4`, `cls` and `json` as bytes, as a pipeline without `decode()` gives them.
        clip: Which frames and pixels to take; not with `flip = "safe"`, for a sample does not say which
            classes there are.
        seed: With `epoch` and the key, decides the clip.
        epoch: From 0.

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
    key, num_frames = str(sample["__key__"]), facts["num_frames"]
    of_video = VideoFacts(
        key,
        int(sample["cls"]),
        num_frames,
        facts["width"],
        facts["height"],
        facts.get("fps", 0.0),
    )
    plan = ClipPlanner(clip, seed, {}).plan(of_video, epoch)[0]
    return _sample(key, plan.label, *_decode(sample["mp4"], key, [plan], num_frames, clip.crop_size))


class ShardDataset(torch.utils.data.Dataset[Any]):
    """A split as a map-style dataset: `dataset[i]` is sample i, read by its byte range and decoded.

    With a `TrainClip`, the clip, its crop and its flip are those that `ClipLoader` gives for the same seed,
    epoch and key; with `EvalViews`, a sample is all views of a video.

        clip = vidprep.TrainClip(clip_len=8, crop_size=32)
        dataset = vidprep.ShardDataset("shards/motion", "train", clip=clip)
        dataset[0]["video"]  # (8, 32, 32, 3) uint8 RGB

    Args:
        shards: A shard set, its folder or its URL.
        split: E.g. "train".
        clip: Which frames and pixels of a video are shown. With several `clips_per_video` a sample is all of
            them, with a label for each.
        seed: With the epoch and the key, decides the clip.
        clips: "random", or "centre": the middle clip and crop, not mirrored, the same in every epoch.
        transform: Called with each sample, in the process that made it; what it returns is given instead.

    Raises:
        ShardError: If there is no such shard set, or `clip.flip` is "safe" and the set does not list its
            classes.
        ValueError: If a crop does not fit into a frame, or a clip needs a higher frame rate than is stored.
    """

    def __init__(
        self,
        shards: ShardSet | Path | str,
        split: str = "train",
        *,
        clip: TrainClip | EvalViews,
        seed: int = 0,
        clips: Clips = "random",
        transform: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self._shards = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        self._split = self._shards.split(split)
        self._reader = reader_for(self._shards.root, None)
        self._transform = transform
        self._views = clip if isinstance(clip, EvalViews) else None
        self._planner = ClipPlanner.of(
            self._shards, TrainClip() if isinstance(clip, EvalViews) else clip, seed=seed, clips=clips
        )
        self._crop_size = clip.crop_size
        if self._views is None:
            self._planner.check(self._split)
        # Shared with the workers of a DataLoader, which may have been started before it changes.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self._split)

    @property
    def labels(self) -> list[int]:
        """Label of each sample, for a sampler that weights classes."""
        labels: list[int] = self._split.labels.tolist()
        return labels

    @property
    def frame_sizes(self) -> list[tuple[int, int]]:
        """All (width, height) of the stored videos, each once."""
        return self._split.frame_sizes

    @property
    def epoch(self) -> int:
        """The epoch that decides the clips; see `set_epoch`."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the clips of an epoch, also in the workers of a DataLoader that are running already.

        Call it between two passes: samples that workers have prepared ahead stay as they are.
        """
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Any:
        """Return one sample, a dictionary with the keys of `decode_clip`.

        With `EvalViews`, or several clips a video, `video` is (V, T, crop_size, crop_size, 3).

        Raises:
            ShardError: If its bytes are missing or damaged.
            DecodeError: If the video does not decode.
            ValueError: If the crop does not fit.
        """
        row = range(len(self))[index]  # negative numbers count from the end, others raise IndexError
        facts = VideoFacts.of(self._split, row)
        plans = self._plans(facts)
        video, frames = self._decoded(row, facts, plans)
        if self._views is not None:
            sample = {"__key__": facts.key, "video": video, "label": facts.label, "frame_indices": frames}
        elif len(plans) == 1:
            sample = _sample(facts.key, plans[0].label, video, frames)
        else:
            labels = torch.tensor([plan.label for plan in plans])
            sample = {"__key__": facts.key, "video": video, "label": labels, "frame_indices": frames}
        return self._transform(sample) if self._transform else sample

    def view(self, index: int, number: int) -> dict[str, Any]:
        """Return one of the `EvalViews` of a video, without decoding the others; as `decode_clip` does.

        Args:
            index: Number of the video.
            number: clip * num_crops + crop.
        """
        facts = VideoFacts.of(self._split, index)
        plan = self._plans(facts)[number]
        return _sample(facts.key, facts.label, *self._decoded(index, facts, [plan]))

    def _decoded(
        self, row: int, facts: VideoFacts, plans: list[ClipPlan]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        data = read_video(self._reader, self._split.video(row))
        return _decode(data, facts.key, plans, facts.num_frames, self._crop_size)

    def _plans(self, facts: VideoFacts) -> list[ClipPlan]:
        if self._views is None:
            return self._planner.plan(facts, self.epoch)
        clips = eval_frames(self._views, facts.num_frames, fps=facts.fps)
        boxes = eval_boxes(self._views, facts.width, facts.height)
        return [ClipPlan(View(tuple(clip), box), False, facts.label) for clip in clips for box in boxes]


def _sample(key: str, label: int, videos: torch.Tensor, frames: torch.Tensor) -> dict[str, Any]:
    return {"__key__": key, "video": videos[0], "label": label, "frame_indices": frames[0]}


def _decode(
    data: bytes, key: str, plans: list[ClipPlan], num_frames: int, crop_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return views (V, T, crop_size, crop_size, 3), and the numbers of their frames (V, T)."""
    views = [plan.view for plan in plans]
    side = max(max(view.box.height, view.box.width) for view in views)
    out = np.empty((len(views), len(views[0].frames), side, side, 3), np.uint8)
    try:
        PyavDecoder("rgb", side).decode(data, views, out, num_frames=num_frames)
    except DecodeError as error:
        raise DecodeError(f"{key} does not decode: {error}.") from error
    shown = [_finish(clip, plan, crop_size) for clip, plan in zip(out, plans, strict=True)]
    return torch.stack(shown), torch.tensor([view.frames for view in views])


def _finish(clip: Uint8s, plan: ClipPlan, crop_size: int) -> torch.Tensor:
    """Cut, resize and mirror a decoded view (T, S, S, 3)."""
    box = plan.view.box
    video = torch.from_numpy(clip[:, : box.height, : box.width])
    if (box.height, box.width) != (crop_size, crop_size):
        levels = resize(video.permute(0, 3, 1, 2).float(), crop_size)
        video = levels.round().to(torch.uint8).permute(0, 2, 3, 1)
    return video.flip(2) if plan.flip else video
