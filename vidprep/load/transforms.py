"""From a batch to the network's input, on whatever device the batch is.

N = clips or views, T = frames, S = side of the batch's buffer, see `vidprep.load.pixels`.
"""

import torch
from torch.nn.functional import interpolate

from vidprep.load.batch import Batch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

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
) -> torch.Tensor:
    """Convert, crop, resize, mirror and normalise a batch.

    The arithmetic is float32 on every device and rounded once, to `dtype`.

    Returns:
        (N, 3, T, crop_size, crop_size) in `channels_last_3d` order, on the batch's device.
    """
    num_clips, num_frames = batch.video.shape[:2]
    shape = (num_clips, 3, num_frames, batch.crop_size, batch.crop_size)
    device = batch.video.device
    out = torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last_3d)
    scale = 1 / (255 * torch.tensor(std, device=device).view(1, 3, 1, 1))
    offset = torch.tensor(mean, device=device).view(1, 3, 1, 1) * 255
    # Clip by clip: boxes differ, and float32 copies of a whole batch would take gigabytes.
    for i, (box, flip) in enumerate(zip(batch.box.tolist(), batch.flip.tolist(), strict=True)):
        clip = resize(crop_to_rgb(batch, i, box), batch.crop_size)
        clip = clip.flip(-1) if flip else clip
        out[i] = ((clip - offset) * scale).transpose(0, 1)
    return out


def to_rgb(batch: Batch) -> torch.Tensor:
    """Return the crops as they would be shown: (N, T, 3, crop_size, crop_size) uint8."""
    clips = [resize(crop_to_rgb(batch, i, box), batch.crop_size) for i, box in enumerate(batch.box.tolist())]
    clips = [clip.flip(-1) if flip else clip for clip, flip in zip(clips, batch.flip.tolist(), strict=True)]
    return torch.stack(clips).round().to(torch.uint8)


def crop_to_rgb(batch: Batch, i: int, box: list[int]) -> torch.Tensor:
    """Return clip `i` of a batch: (T, 3, height, width) float32 of whole levels 0 to 255."""
    top, left, height, width = box
    if batch.pixels == "rgb":
        return batch.video[i, :, :height, :width].permute(0, 3, 1, 2).float()
    # The buffer begins at the even pixel at or before the box.
    rgb = yuv420_to_rgb(batch.video[i])
    return rgb[:, :, top % 2 : top % 2 + height, left % 2 : left % 2 + width]


def yuv420_to_rgb(planes: torch.Tensor) -> torch.Tensor:
    """Convert (T, 3S/2, S) planes to (T, 3, S, S) float32 RGB of whole levels 0 to 255.

    Each chroma value serves four pixels and the result is truncated, as FFmpeg's own fast conversion does it:
    both agree within 2 levels.
    """
    side = planes.shape[-1]
    luma = (planes[:, :side].float() - 16) * _Y_GAIN
    chroma = planes[:, side:].float() - 128
    u, v = (_upsample(plane) for plane in (chroma[..., : side // 2], chroma[..., side // 2 :]))
    red = luma + _R_FROM_V * v
    green = luma + _G_FROM_U * u + _G_FROM_V * v
    blue = luma + _B_FROM_U * u
    return torch.stack([red, green, blue], dim=1).floor_().clamp_(0, 255)


def _upsample(plane: torch.Tensor) -> torch.Tensor:
    return plane.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)


def resize(clip: torch.Tensor, size: int) -> torch.Tensor:
    """Resize (T, 3, height, width) to `size` square: bilinear, averaging where it shrinks."""
    if clip.shape[-2:] == (size, size):
        return clip
    return interpolate(clip, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
