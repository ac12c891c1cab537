"""Operations on colours, with the rounding of Pillow's operations of the same names.

A clip is (T, 3, H, W) float32 of whole levels 0 to 255, and so is what each function returns; what depends on
a mean or a histogram takes that of each frame.
"""

import torch

# ITU-R 601-2 luma in 65,536ths, as Pillow's conversion to "L" has it.
_LUMA = (19595, 38470, 7471)
_LEVELS = 256


def grey(clip: torch.Tensor) -> torch.Tensor:
    """Return the luma of each pixel: (T, 1, H, W), whole levels."""
    weights = torch.tensor(_LUMA, dtype=torch.float64, device=clip.device).view(1, 3, 1, 1)
    return ((clip.double() * weights).sum(1, keepdim=True) / 65536 + 0.5).floor().float()


def brightness(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Multiply by `factor`: 0 is black, 1 changes nothing."""
    return _blend(torch.zeros_like(clip), clip, factor)


def contrast(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Move away from the mean grey of the frame: 0 is that grey, 1 changes nothing."""
    mean = (grey(clip).double().mean(dim=(1, 2, 3), keepdim=True) + 0.5).floor().float()
    return _blend(mean, clip, factor)


def saturation(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Move away from the grey of the pixel: 0 is grey, 1 changes nothing."""
    return _blend(grey(clip), clip, factor)


def sharpness(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Move away from the smoothed frame: 0 is smooth, 1 changes nothing; the outermost pixels are kept."""
    if min(clip.shape[-2:]) < 3:
        return clip
    rows = clip[..., :-2, :] + clip[..., 1:-1, :] + clip[..., 2:, :]  # no convolution: a GPU may round in it
    around = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = clip.clone()
    smooth[..., 1:-1, 1:-1] = ((around + 4 * clip[..., 1:-1, 1:-1]) / 13 + 0.5).floor()
    return _blend(smooth, clip, factor)


def _blend(without: torch.Tensor, clip: torch.Tensor, factor: float) -> torch.Tensor:
    return (without + factor * (clip - without)).clamp(0, 255).floor()


def turn_hue(clip: torch.Tensor, share: float) -> torch.Tensor:
    """Turn the hue by a share of the circle, from -0.5 to 0.5; value and saturation (of HSV) stay."""
    value, largest = clip.max(1)
    chroma = value - clip.min(1).values
    safe = chroma.clamp(min=1)
    red, green, blue = clip.unbind(1)
    sextants = torch.stack([(green - blue) / safe, 2 + (blue - red) / safe, 4 + (red - green) / safe])
    hue = sextants.gather(0, largest[None])[0] / 6 + share
    parts = []
    for offset in (5, 3, 1):  # f(n) = V - C max(0, min(k, 4 - k, 1)), k = (n + 6 H) mod 6
        k = (offset + 6 * hue) % 6
        parts.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(parts, 1).round().clamp(0, 255)


def invert(clip: torch.Tensor) -> torch.Tensor:
    """Return the negative."""
    return 255 - clip


def solarize(clip: torch.Tensor, threshold: float) -> torch.Tensor:
    """Invert the levels from `threshold` on."""
    return torch.where(clip < threshold, clip, 255 - clip)


def solarize_add(clip: torch.Tensor, add: float, threshold: float = 128) -> torch.Tensor:
    """Add to the levels below `threshold`."""
    return torch.where(clip < threshold, (clip + add).clamp(max=255), clip)


def posterize(clip: torch.Tensor, bits: int) -> torch.Tensor:
    """Keep the highest `bits` bits of each level."""
    step = 1 << (8 - bits)
    return (clip / step).floor() * step


def auto_contrast(clip: torch.Tensor) -> torch.Tensor:
    """Stretch each colour of each frame to 0 .. 255."""
    low, high = clip.amin((2, 3), keepdim=True), clip.amax((2, 3), keepdim=True)
    width = (high - low).double().clamp(min=1)
    scale = torch.full_like(width, 255) / width  # 255 / width would be 255 times a rounded reciprocal
    stretched = (clip * scale - low * scale).clamp(0, 255).floor().float()
    return torch.where(high > low, stretched, clip)


def equalize(clip: torch.Tensor) -> torch.Tensor:
    """Spread the levels of each colour of each frame so that each is about as frequent."""
    planes = clip.flatten(0, 1).flatten(1).long()
    offsets = torch.arange(len(planes), device=clip.device)[:, None] * _LEVELS
    counts = torch.bincount((planes + offsets).flatten(), minlength=len(planes) * _LEVELS)
    counts = counts.view(len(planes), _LEVELS)
    levels = torch.arange(_LEVELS, device=clip.device)
    last = torch.where(counts > 0, levels, -1).amax(1, keepdim=True)
    step = (counts.sum(1, keepdim=True) - counts.gather(1, last)) // 255
    below = counts.cumsum(1) - counts
    table = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, levels)
    return table.gather(1, planes).view(clip.shape).to(clip.dtype)
