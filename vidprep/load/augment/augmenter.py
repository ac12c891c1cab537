"""A batch of training clips, augmented on the device that it is on.

N = clips, T = frames; whole levels are 0 to 255.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch

from vidprep.load.augment.erasing import draw_erased, erase
from vidprep.load.augment.mixing import clip_numbers, draw_mixes, label_shares, mix_clips, smoothed
from vidprep.load.augment.policies import apply_operations, draw_operations
from vidprep.load.batch import Batch
from vidprep.load.sampling.draws import Draws
from vidprep.load.transforms import IMAGENET_MEAN, IMAGENET_STD, Normaliser, crops_in_rgb
from vidprep.recipes.augmentation import Augmentation
from vidprep.recipes.recipe import Chroma

Words = tuple[str | int, ...]  # what the draws of a clip are made of


class Augmented(NamedTuple):
    """What a network is trained on.

    Attributes:
        video: (N, 3, T, H, W), normalised, in `channels_last_3d` order.
        target: (N, num_classes) float32, for `torch.nn.functional.cross_entropy`: `shares`, smoothed.
        shares: (N, num_classes) float32, how much of a clip shows each class. For the accuracy on mixed
            clips, add up the share of the class that the network predicts.
    """

    video: torch.Tensor
    target: torch.Tensor
    shares: torch.Tensor


class Augmenter:
    """Turns batches into what a network is trained on: changed, normalised, mixed, with soft targets.

    What is done to a clip is a function of (seed, epoch, key), and of the neighbour's key where two are
    mixed: it does not depend on ranks, workers or the device, and needs no state to resume. All frames of a
    clip are treated alike. In turn: colour jitter, RandAugment, normalisation, erasing, mixing.

        augmentation = vidprep.Augmentation(rand_augment="rand-m7-n4-mstd0.5-inc1", mixup_alpha=0.8)
        augment = vidprep.Augmenter(augmentation, num_classes=12)
        clip = vidprep.TrainClip(clip_len=8, crop_size=32)
        loader = vidprep.ClipLoader("shards/motion", "train", clip=clip, batch_size=4)
        for batch in loader:
            video, target, _ = augment(batch)  # (4, 3, 8, 32, 32) and (4, 12)

    Args:
        augmentation: Which changes are made, how strong and how often.
        num_classes: Classes of the targets.
        seed: With epoch and key, decides everything.
        dtype: Number type of the video.
        mean: Means of R, G and B, where 1 is white.
        std: Standard deviations of R, G and B.
        chroma: See `to_network_input`.

    Raises:
        ValueError: If `num_classes` is smaller than 1, or `dtype` is no floating type.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        *,
        num_classes: int,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        chroma: Chroma = "linear",
    ) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}.")
        if not dtype.is_floating_point:
            raise ValueError(f"dtype must be a floating type, got {dtype}.")
        self.augmentation, self.num_classes, self.seed = augmentation, num_classes, seed
        self._normaliser, self._chroma = Normaliser(dtype, mean, std), chroma

    def __call__(self, batch: Batch) -> Augmented:
        """Return a batch of a `ClipLoader` as a network takes it.

        Raises:
            ValueError: If a label is none of `num_classes`.
        """
        shape = (len(batch), 3, batch.video.shape[1], batch.crop_size, batch.crop_size)
        crops = crops_in_rgb(batch, self._chroma)
        return self._augmented(crops, shape, batch.label, batch.key, batch.epoch)

    def augment_clips(
        self, video: torch.Tensor, label: torch.Tensor, key: Sequence[str], *, epoch: int
    ) -> Augmented:
        """Augment a batch of any loader, as `__call__` does one of a `ClipLoader`.

        Args:
            video: (N, 3, T, H, W) uint8.
            label: (N,) integers.
            key: A name for each video; clips of one video stand side by side.
            epoch: Decides, with seed and key, what is done.

        Raises:
            ValueError: If they do not fit each other, or a label is none of `num_classes`.
        """
        if video.dtype != torch.uint8 or video.ndim != 5 or video.shape[1] != 3:
            raise ValueError(
                f"video must be (N, 3, T, H, W) uint8, got {tuple(video.shape)} {video.dtype}. "
                "Transpose what is (N, T, 3, H, W); augment before you normalise."
            )
        if not len(video) == len(label) == len(key):
            raise ValueError(
                f"{len(video)} clips need as many labels and keys, got {len(label)} and {len(key)}."
            )
        clips = (clip.transpose(0, 1).float() for clip in video)
        return self._augmented(clips, tuple(video.shape), label, key, epoch)

    def _augmented(
        self,
        clips: Iterable[torch.Tensor],
        shape: tuple[int, ...],
        label: torch.Tensor,
        keys: Sequence[str],
        epoch: int,
    ) -> Augmented:
        self._check_labels(label)
        height, width = shape[-2:]
        words: list[Words] = [
            (self.seed, epoch, key, *([number] if number else []))
            for key, number in zip(keys, clip_numbers(keys), strict=True)
        ]
        changed = (self._change(clip, of) for clip, of in zip(clips, words, strict=True))
        video = self._normaliser(changed, shape, label.device)
        self._erase(video, words)
        mixes = []
        if self.augmentation.mixes:
            size = {"height": height, "width": width}
            mixes = draw_mixes(self.augmentation, keys, seed=self.seed, epoch=epoch, **size)
        mix_clips(video, mixes)
        shares = label_shares(label.long(), self.num_classes, mixes)
        return Augmented(video, smoothed(shares, self.augmentation.label_smoothing), shares)

    def _change(self, clip: torch.Tensor, words: Words) -> torch.Tensor:
        if not self.augmentation.changes_pixels:
            return clip
        return apply_operations(clip.round(), draw_operations(self.augmentation, *words))

    def _erase(self, video: torch.Tensor, words: Sequence[Words]) -> None:
        settings = self.augmentation
        if not settings.erase_probability:
            return
        for clip, of in zip(video, words, strict=True):
            draws = Draws("erase", *of)
            height, width = clip.shape[-2:]
            erased = draw_erased(settings.erase_probability, settings.erase_area, height, width, draws)
            if erased:
                erase(clip, erased)

    def _check_labels(self, label: torch.Tensor) -> None:
        if label.device.type != "cpu":
            return  # a look at them would wait for the device; scatter refuses them there
        wrong = label[(label < 0) | (label >= self.num_classes)]
        if len(wrong):
            raise ValueError(
                f"Labels must be from 0 to num_classes - 1 = {self.num_classes - 1}, got {int(wrong[0])}. "
                "Give the number of classes of the shard set."
            )
