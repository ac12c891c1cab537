"""Clips as moving pictures, for a notebook or a file: what the network is shown, looked at by a person.

T = frames, H and W of a grid of clips.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image, ImageDraw

from vidprep.load.batch import Batch
from vidprep.load.decoding.pixels import Uint8s
from vidprep.load.output import Layout
from vidprep.load.transforms import IMAGENET_MEAN, IMAGENET_STD, to_rgb

_CAPTION_HEIGHT, _GAP = 14, 2  # pixels
_CHAR_WIDTH = 6  # of Pillow's own font
_MOVING = {".gif": "GIF", ".webp": "WEBP"}


@dataclass(frozen=True)
class Shown:
    """A grid of moving clips; the last value of a notebook's cell shows itself.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, the whole grid with captions.
        captions: One for each clip.
        fps: Frames a second at which it is shown.
    """

    frames: Uint8s
    captions: tuple[str, ...]
    fps: float

    def __repr__(self) -> str:
        num_frames, height, width = self.frames.shape[:3]
        return f"Shown({len(self.captions)} clips, {num_frames} frames of {width}x{height})"

    def _repr_html_(self) -> str:
        """Return an image element that holds the moving picture."""
        out = io.BytesIO()
        self._write_moving(out, "WEBP")
        data = base64.b64encode(out.getvalue()).decode()
        return f'<img src="data:image/webp;base64,{data}" alt="{escape(", ".join(self.captions))}">'

    def save(self, path: Path | str) -> Path:
        """Write a moving .gif, .webp or .mp4, or a .png with the frames below each other.

        Returns:
            The path.

        Raises:
            ValueError: If the path has another ending.
        """
        path = Path(path)
        if path.suffix in _MOVING:
            self._write_moving(path, _MOVING[path.suffix])
        elif path.suffix == ".mp4":
            self._write_mp4(path)
        elif path.suffix == ".png":
            Image.fromarray(self.frames.reshape(-1, *self.frames.shape[2:])).save(path)
        else:
            raise ValueError(f"{path} must end in .gif, .webp, .mp4 or .png.")
        return path

    def _write_moving(self, out: Path | io.BytesIO, kind: str) -> None:
        first, *rest = (Image.fromarray(frame) for frame in self.frames)
        duration_ms = round(1000 / self.fps)
        first.save(out, kind, save_all=True, append_images=rest, duration=duration_ms, loop=0)

    def _write_mp4(self, path: Path) -> None:
        height, width = (size // 2 * 2 for size in self.frames.shape[1:3])
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=round(self.fps))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for pixels in self.frames:
                frame = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(pixels[:height, :width]), format="rgb24"
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def show(
    clips: Batch | Mapping[str, Any] | torch.Tensor,
    *,
    max_clips: int = 16,
    columns: int | None = None,
    fps: float = 8.0,
    class_names: Sequence[str] = (),
    layout: Layout | None = None,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> Shown:
    """Show clips as the network sees them: cut, resized, mirrored, augmented.

        clip = vidprep.TrainClip(clip_len=8, crop_size=32)
        loader = vidprep.ClipLoader("shards/motion", "train", clip=clip, batch_size=4)
        batch = next(iter(loader))
        vidprep.show(batch).save("clips.gif")  # in a notebook, `vidprep.show(batch)` is enough

    Args:
        clips: A `Batch`; a dictionary of a loader; or a network's input, (B, C, T, H, W) or (B, T, C, H, W),
            uint8 or normalised.
        max_clips: How many clips to show at most, from the first on.
        columns: Clips side by side; None: about as many as rows.
        fps: Frames a second at which the clips are played.
        class_names: Name of each label, for the captions.
        layout: Order of the axes of bare pixels; None: the axis with 3 entries is the colours.
        mean: The means that a normalised input was normalised with.
        std: The standard deviations that it was normalised with.

    Raises:
        ValueError: If there are no clips, or `clips` has another shape.
    """
    if max_clips < 1 or (columns is not None and columns < 1) or fps <= 0:
        raise ValueError(f"max_clips, columns and fps must be above 0, got {max_clips}, {columns}, {fps:g}.")
    pixels = _pixels(clips, max_clips, layout, mean, std)
    if not len(pixels):
        raise ValueError("There are no clips to show.")
    captions = _captions(clips, len(pixels), class_names)
    return Shown(_grid(pixels, captions, columns or math.ceil(math.sqrt(len(pixels)))), tuple(captions), fps)


def _pixels(
    clips: Any, max_clips: int, layout: Layout | None, mean: Sequence[float], std: Sequence[float]
) -> Uint8s:
    """Return clips as (B, T, H, W, 3) uint8."""
    if isinstance(clips, Batch):
        shown = to_rgb(clips.rows(0, min(max_clips, len(clips))))
    else:
        video = clips["video"] if isinstance(clips, Mapping) else clips
        shown = _levels(_frames_first(video[:max_clips].detach().cpu(), layout), mean, std)
    pixels: Uint8s = shown.permute(0, 1, 3, 4, 2).cpu().numpy()
    return pixels


def _frames_first(video: torch.Tensor, layout: Layout | None) -> torch.Tensor:
    """Return (B, T, C, H, W)."""
    if video.ndim != 5 or 3 not in video.shape[1:3]:
        raise ValueError(
            f"Clips are (B, 3, T, H, W) or (B, T, 3, H, W), got {tuple(video.shape)}. "
            "Add the axis that is missing, e.g. clip[None]."
        )
    if layout is None and video.shape[1] == video.shape[2]:
        raise ValueError('Both 3 frames and 3 colours: say layout="BCTHW" or layout="BTCHW".')
    colours_first = layout == "BCTHW" or (layout is None and video.shape[1] == 3)
    return video.transpose(1, 2) if colours_first else video


def _levels(video: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    if video.dtype == torch.uint8:
        return video
    shape = (1, 1, 3, 1, 1)
    white_is_one = video.float() * torch.tensor(std).view(shape) + torch.tensor(mean).view(shape)
    return (white_is_one * 255).round().clamp(0, 255).to(torch.uint8)


def _captions(clips: Any, number: int, class_names: Sequence[str]) -> list[str]:
    keys: Sequence[str] = [str(i) for i in range(number)]
    labels: Sequence[Any] = []
    if isinstance(clips, Batch):
        keys, labels = clips.key, clips.label.tolist()
    elif isinstance(clips, Mapping):
        keys, labels = clips.get("key", keys), clips.get("class", clips.get("label", []))
    names = [_name(label, class_names) for label in labels[:number]] or [""] * number
    return [f"{key}  {name}".strip() for key, name in zip(keys, names, strict=False)]


def _name(label: Any, class_names: Sequence[str]) -> str:
    if isinstance(label, torch.Tensor):
        label = int(label.argmax()) if label.ndim else int(label)
    if isinstance(label, int) and 0 <= label < len(class_names):
        return class_names[label]
    return str(label)


def _grid(pixels: Uint8s, captions: list[str], columns: int) -> Uint8s:
    """Return the frames of all clips side by side, each with its caption below."""
    num_clips, num_frames, height, width = pixels.shape[:4]
    cell_height, cell_width = height + _CAPTION_HEIGHT + _GAP, width + _GAP
    rows = math.ceil(num_clips / columns)
    grid = np.full((num_frames, rows * cell_height, columns * cell_width, 3), 255, np.uint8)
    for number, (clip, caption) in enumerate(zip(pixels, captions, strict=True)):
        top, left = number // columns * cell_height, number % columns * cell_width
        grid[:, top : top + height, left : left + width] = clip
        grid[:, top + height : top + height + _CAPTION_HEIGHT, left : left + width] = _text(caption, width)
    return grid


def _text(caption: str, width: int) -> Uint8s:
    image = Image.new("RGB", (width, _CAPTION_HEIGHT), "white")
    fitting = caption.encode("ascii", "replace").decode()[: max(1, width // _CHAR_WIDTH)]
    ImageDraw.Draw(image).text((0, 1), fitting, fill="black")
    return np.asarray(image)
