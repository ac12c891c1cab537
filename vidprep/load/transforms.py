"""From a batch to the network's input, on the device that the batch is on.

N = clips or views, T = frames, S = side of the batch's buffer, see `vidprep.load.decoding.pixels`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate

from vidprep.load.batch import Batch
from vidprep.load.decoding.pixels import Pixels
from vidprep.recipes.recipe import Chroma

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Bytes of frame buffers that are converted at a time; in float32 RGB eight times as many.
_VALUES_AT_ONCE = 1 << 20

# BT.601, limited range: 219 levels of Y from 16 on, 224 of U and V around 128.
_KR, _KB = 0.299, 0.114
_Y_GAIN, _UV_GAIN = 255 / 219, 255 / 224
_R_FROM_V = 2 * (1 - _KR) * _UV_GAIN
_B_FROM_U = 2 * (1 - _KB) * _UV_GAIN
_G_FROM_U = -_B_FROM_U * _KB / (1 - _KR - _KB)
_G_FROM_V = -_R_FROM_V * _KR / (1 - _KR - _KB)


def to_network_input(
    batch: Batch,
    *,
    dtype: torch.dtype = torch.float32,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    chroma: Chroma = "linear",
) -> torch.Tensor:
    """Convert, crop, resize, mirror and normalise a batch.

    The arithmetic is float32 on every device; RGB is rounded to whole levels, as a decoder would give them,
    and the result to `dtype`.

    Args:
        dtype: Number type of the result.
        mean: Means of R, G and B, where 1 is white.
        std: Standard deviations of R, G and B.
        chroma: How "yuv420" pixels get their colours, see `yuv420_to_rgb`.

    Returns:
        (N, 3, T, crop_size, crop_size) in `channels_last_3d` order, on the batch's device.
    """
    num_clips, num_frames = batch.video.shape[:2]
    shape = (num_clips, 3, num_frames, batch.crop_size, batch.crop_size)
    return Normaliser(dtype, mean, std)(crops_in_rgb(batch, chroma), shape, batch.video.device)


@dataclass(frozen=True)
class Normaliser:
    """Makes a network's input of clips of levels.

    Attributes:
        dtype: Number type of the result.
        mean: Means of R, G and B, where 1 is white.
        std: Standard deviations of R, G and B.
    """

    dtype: torch.dtype
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(
        self, clips: Iterable[torch.Tensor], shape: tuple[int, ...], device: torch.device
    ) -> torch.Tensor:
        """Return clips (T, 3, H, W) float32 as (N, 3, T, H, W), in `channels_last_3d` order."""
        out = torch.empty(shape, dtype=self.dtype, device=device, memory_format=torch.channels_last_3d)
        scale = 1 / (255 * torch.tensor(self.std, device=device).view(1, 3, 1, 1))
        offset = torch.tensor(self.mean, device=device).view(1, 3, 1, 1) * 255
        for i, clip in enumerate(clips):
            out[i] = ((clip - offset) * scale).transpose(0, 1)
        return out


def to_rgb(batch: Batch, *, chroma: Chroma = "linear") -> torch.Tensor:
    """Return the crops as they would be shown: (N, T, 3, crop_size, crop_size) uint8."""
    num_clips, num_frames = batch.video.shape[:2]
    shape = (num_clips, num_frames, 3, batch.crop_size, batch.crop_size)
    out = torch.empty(shape, dtype=torch.uint8, device=batch.video.device)
    for i, clip in enumerate(crops_in_rgb(batch, chroma)):
        out[i] = clip.round()
    return out


def crops_in_rgb(batch: Batch, chroma: Chroma) -> Iterator[torch.Tensor]:
    """Yield each clip of a batch, cut, resized and mirrored: (T, 3, crop_size, crop_size) float32 levels.

    Small clips are converted several at a time, which takes fewer and larger operations; large ones one by
    one, for float32 copies of a whole batch would take gigabytes.
    """
    at_once = max(1, _VALUES_AT_ONCE // batch.video[0].numel()) if len(batch) else 1
    views = zip(batch.box.tolist(), batch.flip.tolist(), strict=True)
    for start in range(0, len(batch), at_once):
        buffers = _buffers_in_rgb(batch, start, start + at_once, chroma)
        for buffer, (box, flip) in zip(buffers, views, strict=False):
            clip = resize(_cut(buffer, box, batch.pixels), batch.crop_size)
            yield clip.flip(-1) if flip else clip


def _buffers_in_rgb(batch: Batch, start: int, stop: int, chroma: Chroma) -> torch.Tensor:
    """Return the buffers of clips `start` to `stop - 1`: (n, T, 3, S, S) float32 of whole levels 0 to 255."""
    video = batch.video[start:stop]
    if batch.pixels == "rgb":
        return video.permute(0, 1, 4, 2, 3).float()
    if chroma == "linear":
        video = _repeat_chroma_at_edges(video, batch.box[start:stop].tolist())
    rgb = yuv420_to_rgb(video.flatten(0, 1), chroma=chroma)
    return rgb.view(*video.shape[:2], *rgb.shape[1:])


def _repeat_chroma_at_edges(video: torch.Tensor, boxes: list[list[int]]) -> torch.Tensor:
    """Return a copy in which the last U and V of each box stand once more beside it.

    What lies beyond a box may be padding, and must not colour the pixels at its edge.
    """
    video, side = video.clone(), video.shape[-1]
    half = side // 2
    for planes, (top, left, height, width) in zip(video[:, :, side:], boxes, strict=True):
        row, column = (top % 2 + height + 1) // 2, (left % 2 + width + 1) // 2
        if row < half:
            planes[:, row] = planes[:, row - 1]
        if column < half:
            planes[:, :, column] = planes[:, :, column - 1]
            planes[:, :, half + column] = planes[:, :, half + column - 1]
    return video


def _cut(buffer: torch.Tensor, box: list[int], pixels: Pixels) -> torch.Tensor:
    """Return the box of a frame buffer (T, 3, S, S)."""
    top, left, height, width = box
    if pixels == "rgb":
        return buffer[:, :, :height, :width]
    # The buffer begins at the even pixel at or before the box.
    return buffer[:, :, top % 2 : top % 2 + height, left % 2 : left % 2 + width]


def yuv420_to_rgb(planes: torch.Tensor, *, chroma: Chroma = "linear") -> torch.Tensor:
    """Convert (T, 3S/2, S) planes to (T, 3, S, S) float32 RGB, rounded to whole levels 0 to 255.

    Args:
        planes: BT.601 in limited range, see `vidprep.load.decoding.pixels`.
        chroma: "linear" interpolates U and V between the centres of 2 x 2 pixels, as FFmpeg does when it is
            told to be accurate; "nearest" gives 4 pixels the same U and V, as FFmpeg does by default;
            "truncated" does the same and cuts levels off instead of rounding them, as release 0.1 did.
    """
    side = planes.shape[-1]
    luma = (planes[:, :side].float() - 16) * _Y_GAIN
    small = (planes[:, side:].float() - 128).view(-1, side // 2, 2, side // 2).transpose(1, 2)
    mode = "bilinear" if chroma == "linear" else "nearest"
    u, v = interpolate(small, scale_factor=2, mode=mode).unbind(1)
    red = luma + _R_FROM_V * v
    green = luma + _G_FROM_U * u + _G_FROM_V * v
    blue = luma + _B_FROM_U * u
    levels = torch.stack([red, green, blue], dim=1)
    return (levels.floor_() if chroma == "truncated" else levels.round_()).clamp_(0, 255)


def resize(clip: torch.Tensor, size: int) -> torch.Tensor:
    """Resize (T, 3, height, width) to `size` square: bilinear, averaging where it shrinks."""
    if clip.shape[-2:] == (size, size):
        return clip
    return interpolate(clip, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
