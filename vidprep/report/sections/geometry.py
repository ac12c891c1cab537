"""Which frames and pixels training and evaluation see, on real videos, so that a person can judge it.

Clips and crops come from the very functions that the loader uses, with the draws that it would make.
"""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from PIL import Image

from vidprep.errors import DecodeError, ShardError
from vidprep.load.sampling.clips import eval_frames, train_frames
from vidprep.load.sampling.crops import eval_boxes, train_box
from vidprep.load.sampling.draws import Draws
from vidprep.load.sampling.views import Box
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.report.drawing.geometry_drawing import ClipRow, crop_overlay, crops_overlay, time_axis
from vidprep.report.drawing.images import Embedded, webp
from vidprep.report.drawing.videos import VideoReader
from vidprep.shards.shard_set import ShardSet, Split
from vidprep.shards.stored_video import StoredVideo

NUM_EPOCHS = 6
SEED = 0  # the loader's default
_ALIKE = 0.03  # log of a ratio: 340 and 342 pixels are one shape
_HEIGHT, _MIN_CHARS = 200, 12_000


@dataclass(frozen=True)
class Sample:
    """One video with its clips and crops.

    Attributes:
        why: Why it was chosen, e.g. as the shortest.
        key: Key of the video.
        facts: Its size, length and rate.
        frame: Its middle frame, or None where it does not decode; `problem` says why.
        problem: Why there is no frame; else "".
        train_overlay: The training crops of all epochs on the frame.
        crops: Position and drawing of each crop of the evaluation.
        axis: The clips on the time axis of the video.
        train: A row per epoch: epoch, clip, crop.
        all_frames: Every frame number of every clip, by name of the clip.
    """

    why: str
    key: str
    facts: str
    frame: Embedded | None
    problem: str
    train_overlay: Markup
    crops: list[tuple[str, Markup]]
    axis: Markup
    train: list[tuple[str, str, str]]
    all_frames: list[tuple[str, str]]


@dataclass(frozen=True)
class Geometry:
    """The samples, and in words how clips and crops are chosen."""

    scheme: list[tuple[str, str]]
    samples: list[Sample]
    notes: list[str]


def clip_geometry(shards: ShardSet, reader: VideoReader, max_chars: int) -> Geometry:
    """Show the recipe's clips and crops on a few videos of a shard set, which must have some.

    Args:
        shards: The shard set.
        reader: Reads its frames.
        max_chars: Limit for all frames, in characters of HTML.
    """
    manifest = shards.manifest
    clip = manifest.recipe.train_clip if manifest else TrainClip()
    views = manifest.recipe.eval_views if manifest else EvalViews()
    notes = [] if manifest else ["These shards name no recipe: the defaults are shown."]
    part = shards.split(shards.index["split"][0].as_py())  # train, where there is any
    samples: list[Sample] = []
    for why, row in choose(part).items():
        video, fps = part.video(row), float(part.index["fps"][row].as_py())
        try:
            samples.append(_sample(why, video, fps, clip, views, reader))
        except ValueError as error:  # a crop that does not fit into the frame
            notes.append(f"{video.key}: {error}")
    while sum(_num_chars(sample) for sample in samples) > max(max_chars, _MIN_CHARS) and len(samples) > 1:
        notes.append(f"No room in this page for {samples.pop().key}.")
    return Geometry(_scheme(clip, views), samples, notes)


def choose(part: Split) -> dict[str, int]:
    """Return the rows of videos to show, by what is special about them; the first is a typical one.

    A row that is special in two ways is there once; a shape or length like the typical one is not special.
    """
    width, height, num_frames = (part.index[name].to_numpy() for name in ("width", "height", "num_frames"))
    shape, length = np.log(width / height), np.log(num_frames)
    typical = int(np.argmin(abs(shape - np.median(shape)) + abs(length - np.median(length))))
    rows = {
        "the shortest": int(np.argmin(length)) if length.min() < length[typical] - _ALIKE else typical,
        "the widest": int(np.argmax(shape)) if shape.max() > shape[typical] + _ALIKE else typical,
        "the tallest" if shape.min() < 0 else "the squarest": int(np.argmin(shape))
        if shape.min() < shape[typical] - _ALIKE
        else typical,
    }
    named = {typical: "a typical one"}
    for why, row in rows.items():
        if row != typical:
            named[row] = f"{named[row]} and {why}" if row in named else why
    return {why: row for row, why in named.items()}


def train_draws(clip: TrainClip, video: StoredVideo, fps: float, epoch: int) -> tuple[list[int], Box]:
    """Return the frames and the crop that `ClipLoader` draws for a video in an epoch, seed 0."""
    who = (SEED, epoch, video.key)
    frames = train_frames(clip, video.num_frames, Draws("clip", *who), fps=fps)
    return frames, train_box(clip, video.width, video.height, Draws("crop", *who))


def _sample(
    why: str, video: StoredVideo, fps: float, clip: TrainClip, views: EvalViews, reader: VideoReader
) -> Sample:
    drawn = [train_draws(clip, video, fps, epoch) for epoch in range(NUM_EPOCHS)]
    train_boxes = [box for _, box in drawn]
    eval_crops = eval_boxes(views, video.width, video.height)
    train_rows = [
        ClipRow(f"epoch {epoch}", frames, 0, clip.temporal == "dense")
        for epoch, (frames, _) in enumerate(drawn)
    ]
    eval_rows = [
        ClipRow(f"clip {number}", frames, 1, views.temporal == "dense")
        for number, frames in enumerate(eval_frames(views, video.num_frames, fps=fps))
    ]
    frame, problem = _middle_frame(reader, video)
    size = (video.width, video.height)
    return Sample(
        why=why,
        key=video.key,
        facts=_facts(video, fps),
        frame=frame,
        problem=problem,
        train_overlay=crops_overlay(train_boxes, [str(epoch) for epoch in range(NUM_EPOCHS)], *size),
        crops=[(_place(box), crop_overlay(box, *size)) for box in eval_crops],
        axis=time_axis([*train_rows, *eval_rows], video.num_frames),
        train=[(row.name, row.text(), _place(box)) for row, box in zip(train_rows, train_boxes, strict=True)],
        all_frames=[(row.name, " ".join(map(str, row.frames))) for row in (*train_rows, *eval_rows)],
    )


def _facts(video: StoredVideo, fps: float) -> str:
    frames = "1 frame" if video.num_frames == 1 else f"{video.num_frames:,} frames"
    facts = f"{video.width} × {video.height} pixels, {frames}"
    return f"{facts}, {fps:.4g} fps, {video.num_frames / fps:.3g} s" if fps else facts


def _middle_frame(reader: VideoReader, video: StoredVideo) -> tuple[Embedded | None, str]:
    try:
        (image,) = reader.images(video, [video.num_frames // 2], min(_HEIGHT, video.height))
    except (ShardError, DecodeError) as error:
        return None, str(error)
    image.thumbnail((480, 480), Image.Resampling.BILINEAR)
    return webp(image, 60), ""


def _num_chars(sample: Sample) -> int:
    return (1 + len(sample.crops)) * len(sample.frame.uri) if sample.frame else 0


def _place(box: Box) -> str:
    x, y = (f"{start}–{start + size - 1}" for start, size in ((box.left, box.width), (box.top, box.height)))
    return f"x\u00a0{x}, y\u00a0{y}".replace("–", "–\u2060")  # no line break within a range


def _pace(clip: TrainClip | EvalViews) -> str:
    if clip.fps is not None:
        return f"{clip.fps:g} a second"
    if clip.duration_seconds is not None:
        return f"over {clip.duration_seconds:g} s"
    return f"{clip.frame_step} apart" if clip.temporal == "dense" else clip.temporal


def _scheme(clip: TrainClip, views: EvalViews) -> list[tuple[str, str]]:
    step, eval_step = _pace(clip), _pace(views)
    count = views.num_clips * views.num_crops
    return [
        ("training", f"{clip.clip_len} frames, {step}; {clip.spatial} {clip.crop_size}; flip {clip.flip}"),
        (
            "evaluation",
            f"{views.num_crops} crops × {views.num_clips} clips = {count} views of {views.clip_len} frames, "
            f"{eval_step}; crops {views.crop_size}, {views.crops}",
        ),
    ]
