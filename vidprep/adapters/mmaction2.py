"""Shards in mmaction2's configuration files: a dataset and a transform under names of its registries.

    from vidprep.adapters.mmaction2 import register
    register()

    dataset = dict(
        type="VidprepDataset", ann_file="shards/k400/train",
        pipeline=[
            dict(type="VidprepDecode", clip_len=32, frame_step=2),
            dict(type="Resize", scale=(-1, 256)), dict(type="RandomResizedCrop"),
            dict(type="FormatShape", input_format="NCTHW"), dict(type="PackActionInputs"),
        ],
    )

mmaction2 is imported by `register`.
"""

from typing import Any

import numpy as np

from vidprep.adapters.framework import import_framework
from vidprep.load.decoding.frames import read_frames
from vidprep.load.sampling.clips import centre_frames, train_frames
from vidprep.load.sampling.draws import Draws
from vidprep.load.workers.jobs import reader_for
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import read_video


class DecodeFrames:
    """Transform `VidprepDecode`: the frames of a clip as mmaction2's decoders give them, whole and RGB.

    Args:
        clip_len: Frames of a clip.
        frame_step: Source frames from one frame of a clip to the next.
        temporal: As in `TrainClip`.
        test_mode: Take the clip in the middle, the same each time.
        seed: None: random clips follow from NumPy's generator, as mmaction2 seeds it. A number: each video
            shows the same random clip in every epoch, for tests and comparisons.
    """

    def __init__(
        self,
        clip_len: int,
        frame_step: int = 1,
        temporal: Any = "dense",
        test_mode: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self._clip = TrainClip(clip_len=clip_len, frame_step=frame_step, temporal=temporal)
        self._test_mode, self._seed = test_mode, seed

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add `imgs` and the keys that mmaction2's decoders add with them."""
        video, num_frames = results["stored_video"], results["total_frames"]
        if self._test_mode:
            frames = centre_frames(self._clip, num_frames)
        else:
            seed = int(np.random.randint(2**31)) if self._seed is None else self._seed
            frames = train_frames(self._clip, num_frames, Draws("mmaction2", seed, video.key))
        data = read_video(reader_for(results["root"], None), video)
        found = read_frames(data, sorted(set(frames)), num_frames=num_frames)
        images = {number: frame.to_ndarray(format="rgb24") for number, frame in found}
        results["imgs"] = [images[number] for number in frames]
        results["frame_inds"] = np.array(frames)
        results["original_shape"] = results["img_shape"] = results["imgs"][0].shape[:2]
        results["clip_len"], results["num_clips"] = len(frames), 1
        results["frame_interval"] = self._clip.frame_step
        return results


def list_videos(ann_file: str) -> list[dict[str, Any]]:
    """Return the samples of `SHARDS/split` as mmaction2's datasets hold them."""
    root, _, split = str(ann_file).rstrip("/").rpartition("/")
    shards = ShardSet.open(root)
    part = shards.split(split)
    return [
        {
            "filename": (video := part.video(row)).key,
            "stored_video": video,
            "root": shards.root,
            "label": int(part.labels[row]),
            "total_frames": video.num_frames,
        }
        for row in range(len(part))
    ]


def register() -> None:
    """Make `VidprepDataset` and `VidprepDecode` known to mmaction2; more than once does no harm.

    Raises:
        ToolError: If mmaction2 is missing, too old, or does not import.
    """
    needs: dict[str, str] = {"package": "mmaction2", "at_least": "1.0", "needed_for": "VidprepDataset"}
    datasets = import_framework("mmaction.datasets", **needs)
    registry = import_framework("mmaction.registry", **needs)
    transforms = import_framework(
        "mmcv.transforms", package="mmengine", at_least="0.7", needed_for="VidprepDecode"
    )
    dataset = type(
        "VidprepDataset",
        (datasets.BaseActionDataset,),
        {"load_data_list": lambda self: list_videos(self.ann_file), "__module__": __name__},
    )
    decode = type("VidprepDecode", (DecodeFrames, transforms.BaseTransform), {"__module__": __name__})
    registry.DATASETS.register_module(name="VidprepDataset", module=dataset, force=True)
    registry.TRANSFORMS.register_module(name="VidprepDecode", module=decode, force=True)
