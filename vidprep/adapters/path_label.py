"""The dataset classes of VideoMAE and V-JEPA 2, by their own names, reading shards instead of lists of files.

    from vidprep.adapters.path_label import VideoClsDataset     # VideoMAE, UMT, InternVideo
    from vidprep.adapters.path_label import VideoDataset        # V-JEPA 2: src/datasets/video_dataset.py

Where these take the path of a list, such as `k400/train.csv`, the split of a shard set is given:
`shards/k400/train`. Constructors take the same arguments and samples are the same tuples. Frames, crops and
normalisation are vidprep's own, functions of (seed, epoch, key); arguments that would need more than that
(augmentation of VideoMAE's `args`, V-JEPA 2's weighted lists) are refused, not ignored.

Sources: the constructors of VideoMAE's kinetics.py and of vjepa2's src/datasets/video_dataset.py.
"""

from collections.abc import Callable
from typing import Any

import torch

from vidprep.load.shard_dataset import ShardDataset
from vidprep.load.transforms import IMAGENET_MEAN, IMAGENET_STD
from vidprep.recipes.recipe import EvalViews, TrainClip


def split_of(path: str) -> tuple[str, str]:
    """Return the shard set and the split of `SHARDS/split`.

    Raises:
        ValueError: If the path is that of a list.
    """
    root, slash, split = str(path).rstrip("/").rpartition("/")
    if not slash or split.endswith((".csv", ".txt", ".npy")):
        raise ValueError(f"{path!r} is no split of a shard set. Give its folder and the split: SHARDS/train.")
    return root, split


class VideoClsDataset(torch.utils.data.Dataset[Any]):
    """VideoMAE's dataset for classification.

    "train" gives (clip, label, number, {}), "validation" (clip, label, key), "test" (clip, label, key,
    temporal view, spatial view) for each view of each video; a clip is (C, T, H, W), normalised.

    Args:
        anno_path: `SHARDS/split`.
        data_path: Unused: the videos are in the shards.
        mode: "train", "validation" or "test".
        clip_len: Frames of a clip.
        frame_sample_rate: Source frames from one frame of a clip to the next.
        crop_size: Side of the square crop.
        short_side_size: Must be that of the shards or None: nothing is resized.
        test_num_segment: Clips of a video in "test".
        test_num_crop: Crops of a clip in "test": 1 or 3.
        clip: Training clips in full, instead of the arguments above.
        seed: Seed of training clips.
    """

    def __init__(
        self,
        anno_path: str,
        data_path: str = "",
        mode: str = "train",
        clip_len: int = 8,
        frame_sample_rate: int = 2,
        crop_size: int = 224,
        short_side_size: int | None = None,
        test_num_segment: int = 10,
        test_num_crop: Any = 3,
        clip: TrainClip | None = None,
        seed: int = 0,
    ) -> None:
        if mode not in ("train", "validation", "test"):
            raise ValueError(f'mode must be "train", "validation" or "test", got {mode!r}.')
        root, split = split_of(anno_path)
        train = clip or TrainClip(
            clip_len=clip_len,
            frame_step=frame_sample_rate,
            spatial="random_resized_crop",
            crop_size=crop_size,
        )
        views = EvalViews(
            clip_len=train.clip_len,
            frame_step=train.frame_step,
            crop_size=train.crop_size,
            num_clips=test_num_segment,
            num_crops=test_num_crop,
        )
        self.mode, self._num_crops = mode, int(test_num_crop)
        self._num_views = test_num_segment * self._num_crops if mode == "test" else 1
        self._dataset = ShardDataset(
            root,
            split,
            clip=views if mode == "test" else train,
            clips="random" if mode == "train" else "centre",
            seed=seed,
        )
        self._check_short_side(short_side_size)

    def _check_short_side(self, wanted: int | None) -> None:
        stored = sorted({min(size) for size in self._dataset.frame_sizes})
        if wanted is not None and stored != [wanted]:
            held = " to ".join(map(str, dict.fromkeys((stored[0], stored[-1]))))
            raise ValueError(
                f"short_side_size is {wanted}, the shards hold videos of {held}. Leave it out, or build "
                f"shards with --set transcode.short_side={wanted}."
            )

    def __len__(self) -> int:
        return len(self._dataset) * self._num_views

    def set_epoch(self, epoch: int) -> None:
        """Show the clips of an epoch, also in workers that are running already."""
        self._dataset.set_epoch(epoch)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return the tuple that VideoMAE's loops take apart."""
        number = range(len(self))[index]
        # All first views come first, as in VideoMAE, whose test set repeats the list for each view.
        view, row = divmod(number, len(self._dataset))
        if self.mode == "test":
            sample = self._dataset.view(row, view)
            chunk, split = divmod(view, self._num_crops)
            return normalised(sample["video"]), sample["label"], sample["__key__"], chunk, split
        sample = self._dataset[row]
        clip = normalised(sample["video"])
        if self.mode == "validation":
            return clip, sample["label"], sample["__key__"]
        return clip, sample["label"], number, {}


class VideoDataset(torch.utils.data.Dataset[Any]):
    """V-JEPA 2's dataset: (clips, label, frame numbers of each clip).

    `transform` gets each clip as (T, H, W, C) uint8 and returns what the network takes.

    Args:
        data_paths: `SHARDS/split`, or a list of one.
        frames_per_clip: Frames of a clip.
        fps: Frames a second; give one of `fps`, `duration` and `frame_step`.
        frame_step: Source frames from one frame of a clip to the next.
        num_clips: Clips of a video: several random ones with `random_clip_sampling`, else spread evenly.
        transform: Called with each clip.
        shared_transform: Called with the frames of all clips, one after another.
        random_clip_sampling: Random clips, else the same in every epoch.
        duration: Seconds that a clip spans.
        crop_size: Side of the square crop that is decoded.
        seed: Seed of random clips.
    """

    def __init__(
        self,
        data_paths: str | list[str],
        frames_per_clip: int = 16,
        fps: float | None = None,
        frame_step: int | None = 4,
        num_clips: int = 1,
        transform: Callable[[Any], Any] | None = None,
        shared_transform: Callable[[Any], Any] | None = None,
        random_clip_sampling: bool = True,
        duration: float | None = None,
        crop_size: int = 256,
        seed: int = 0,
    ) -> None:
        paths = [data_paths] if isinstance(data_paths, str) else list(data_paths)
        if len(paths) != 1:
            raise ValueError(f"One SHARDS/split is read, got {len(paths)}. Merge sets with `vidprep merge`.")
        if sum(value is not None for value in (fps, duration, frame_step)) != 1:
            raise ValueError(f"Give one of {fps=}, {duration=} and {frame_step=}.")
        root, split = split_of(paths[0])
        pace = {"fps": fps, "duration_seconds": duration, "frame_step": frame_step or 1}
        shape = {"clip_len": frames_per_clip, "crop_size": crop_size}
        clip: TrainClip | EvalViews
        if random_clip_sampling:
            clip = TrainClip.model_validate({**pace, **shape, "clips_per_video": num_clips})
        else:
            clip = EvalViews.model_validate({**pace, **shape, "num_clips": num_clips, "num_crops": 1})
        self._dataset = ShardDataset(root, split, clip=clip, seed=seed)
        self._transform, self._shared_transform = transform, shared_transform
        self._num_clips = num_clips

    def __len__(self) -> int:
        return len(self._dataset)

    def set_epoch(self, epoch: int) -> None:
        """Show the clips of an epoch, also in workers that are running already."""
        self._dataset.set_epoch(epoch)

    def __getitem__(self, index: int) -> tuple[list[Any], int, list[Any]]:
        """Return the tuple that V-JEPA 2's collators take apart."""
        sample = self._dataset[index]
        videos, frames = sample["video"], sample["frame_indices"]
        if frames.ndim == 1:
            videos, frames = videos[None], frames[None]
        buffer = videos.flatten(0, 1).numpy()
        if self._shared_transform is not None:
            buffer = self._shared_transform(buffer)
        clip_len = len(buffer) // self._num_clips
        clips = [buffer[i * clip_len : (i + 1) * clip_len] for i in range(self._num_clips)]
        if self._transform is not None:
            clips = [self._transform(clip) for clip in clips]
        return clips, int(torch.as_tensor(sample["label"]).flatten()[0]), list(frames.numpy())


def normalised(video: torch.Tensor) -> torch.Tensor:
    """Return (T, H, W, C) uint8 as (C, T, H, W) float32, normalised like ImageNet."""
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    return ((video.float() / 255 - mean) / std).permute(3, 0, 1, 2)
