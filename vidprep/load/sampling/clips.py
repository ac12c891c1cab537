"""Which frames of a video make a clip: integers in, integers out.

F = `clip_len`, n = `num_frames` of the video, K = `num_clips`; all indices count from 0.
"""

from fractions import Fraction

import numpy as np

from vidprep.load.sampling.draws import Draws
from vidprep.recipes.recipe import EvalViews, TrainClip


def clip_starts(num_frames: int, *, span: int, num_clips: int) -> list[int]:
    """Return the first frame of each of `num_clips` clips spread evenly over a video.

    `span` is the number of frames from a clip's first to its last. Starts run from 0 to `num_frames - span`,
    both included. A video shorter than `span` gives zeros and is looped.

        num_frames=20, span=7, num_clips=3 -> [0, 6, 13]   (round half to even)

    Source: Kobayashi & Ye 2024, supplement: views "uniformly sampled ... to cover whole a video volume".

    Raises:
        ValueError: If an argument is smaller than 1.
    """
    if min(num_frames, span, num_clips) < 1:
        raise ValueError(
            f"num_frames, span and num_clips must be at least 1, got {num_frames}, {span} and {num_clips}."
        )
    last = max(0, num_frames - span)
    return [round(Fraction(k * last, max(1, num_clips - 1))) for k in range(num_clips)]


def clip_offsets(clip: TrainClip | EvalViews, fps: float = 0.0) -> list[int]:
    """Return how far each frame of a dense clip lies behind its first one, in frames of the stored video.

    With `fps` or `duration_seconds`, frame i is the one that is on the screen i / fps (i * duration_seconds /
    clip_len) seconds after the first, in whole numbers: with R, T and D the stored rate, `fps` and
    `duration_seconds` in thousandths, rounded,

        i * R // T        i * R * D // (clip_len * 1000000)

        fps=8, stored at 30 -> 0, 3, 7, 11, 15      at 25 -> 0, 3, 6, 9, 12      at 10 -> 0, 1, 2, 3, 5

    Args:
        fps: Frames a second of the stored video.

    Raises:
        ValueError: If the stored rate is needed and not known, or lower than the clip's.
    """
    if clip.fps is None and clip.duration_seconds is None:
        return [i * clip.frame_step for i in range(clip.clip_len)]
    check_rate(clip, fps)
    rate = round(fps * 1000)
    if clip.fps is not None:
        return [i * rate // round(clip.fps * 1000) for i in range(clip.clip_len)]
    duration = round((clip.duration_seconds or 0) * 1000)
    return [i * rate * duration // (clip.clip_len * 1_000_000) for i in range(clip.clip_len)]


def check_rate(clip: TrainClip | EvalViews, fps: float) -> None:
    """Refuse a stored rate that a clip cannot be taken from without showing frames twice.

    Raises:
        ValueError: If it is not known, or lower than the clip's.
    """
    if clip.fps is None and clip.duration_seconds is None:
        return
    wanted = clip.fps or clip.clip_len / (clip.duration_seconds or 1)
    what = f"fps = {clip.fps:g}" if clip.fps else f"{clip.clip_len} frames in {clip.duration_seconds:g} s"
    if fps <= 0:
        raise ValueError(f"{what} needs the rate of each stored video, and the index does not tell it.")
    if round(wanted * 1000) > round(fps * 1000):
        raise ValueError(
            f"{what} is more than the {fps:g} frames a second that are stored: frames would be shown twice. "
            f"Use a rate of at most {fps:g}, or frame_step = 1."
        )


def train_frames(clip: TrainClip, num_frames: int, draws: Draws, *, fps: float = 0.0) -> list[int]:
    """Return the frames of one random training clip.

    Args:
        draws: Decides the clip; equal draws make equal clips.
        fps: Frames a second of the stored video; needed where the clip has a rate or a duration.

    Raises:
        ValueError: If the video has no frames, or not the rate that the clip needs.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
    return _TRAIN[clip.temporal](clip, num_frames, draws, fps)


def centre_frames(clip: TrainClip, num_frames: int, *, fps: float = 0.0) -> list[int]:
    """Return the frames of the clip in the middle of a video; what is too short is looped.

        clip_len=4, frame_step=2, num_frames=20 -> 6, 8, 10, 12

    Raises:
        ValueError: If the video has no frames, or not the rate that the clip needs.
    """
    if clip.temporal != "dense":
        views = EvalViews(clip_len=clip.clip_len, temporal=clip.temporal, num_clips=1)
        return eval_frames(views, num_frames)[0]
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
    offsets = clip_offsets(clip, fps)
    return _looped(max(0, num_frames - offsets[-1] - 1) // 2, offsets, num_frames)


def _looped(start: int, offsets: list[int], num_frames: int) -> list[int]:
    return [(start + offset) % num_frames for offset in offsets]


def _train_dense(clip: TrainClip, num_frames: int, draws: Draws, fps: float) -> list[int]:
    offsets = clip_offsets(clip, fps)
    start = draws.below(max(1, num_frames - offsets[-1]))
    return _looped(start, offsets, num_frames)


def _train_uniform(clip: TrainClip, num_frames: int, draws: Draws, fps: float) -> list[int]:
    """floor((i + u_i) n / F), with u_i in 2**32 steps so that no float is rounded."""
    steps = 1 << 32
    return [
        (i * steps + draws.below(steps)) * num_frames // (clip.clip_len * steps) for i in range(clip.clip_len)
    ]


def _train_uniform_ibm(clip: TrainClip, num_frames: int, draws: Draws, fps: float) -> list[int]:
    """One offset for all segments of n // F frames, so the tail is never seen.

    Only to compare with IBM/action-recognition-pytorch, which does this.
    """
    segment = num_frames // clip.clip_len
    if segment:
        offset = draws.below(segment)
        return [segment * i + offset for i in range(clip.clip_len)]
    return sorted(draws.below(num_frames) for _ in range(clip.clip_len))


_TRAIN = {"dense": _train_dense, "uniform": _train_uniform, "uniform_ibm": _train_uniform_ibm}


def eval_frames(views: EvalViews, num_frames: int, *, fps: float = 0.0) -> list[list[int]]:
    """Return the frames of each of the `num_clips` clips of an evaluation.

    Args:
        fps: Frames a second of the stored video; needed where the views have a rate or a duration.

    Raises:
        ValueError: If the video has no frames, or not the rate that the views need.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
    return _EVAL[views.temporal](views, num_frames, fps)


def _eval_dense(views: EvalViews, num_frames: int, fps: float) -> list[list[int]]:
    offsets = clip_offsets(views, fps)
    starts = clip_starts(num_frames, span=offsets[-1] + 1, num_clips=views.num_clips)
    return [_looped(start, offsets, num_frames) for start in starts]


def _eval_uniform(views: EvalViews, num_frames: int, fps: float) -> list[list[int]]:
    """Centres of K x F cells, dealt out to the K clips in turn, in integers only."""
    num_clips, clip_len = views.num_clips, views.clip_len
    return [
        [
            ((2 * num_clips * i + 2 * k + 1) * num_frames) // (2 * num_clips * clip_len)
            for i in range(clip_len)
        ]
        for k in range(num_clips)
    ]


def _eval_uniform_ibm(views: EvalViews, num_frames: int, fps: float) -> list[list[int]]:
    first = -views.num_clips // 2 + 1
    return [_ibm_clip(views.clip_len, num_frames, first + k, k) for k in range(views.num_clips)]


def _ibm_clip(clip_len: int, num_frames: int, offset: int, seed: int) -> list[int]:
    """Follow IBM/action-recognition-pytorch, utils/video_dataset.py, floats and seeds included."""
    if num_frames <= clip_len:
        return sorted(np.random.RandomState(seed).choice(num_frames, clip_len).tolist())
    tick = num_frames / clip_len
    shift = max(-tick / 2, offset if offset < tick / 2 else tick / 2 - 1e-4)
    return [int(tick / 2 + shift + tick * i) for i in range(clip_len)]


def _eval_dense_ibm(views: EvalViews, num_frames: int, fps: float) -> list[list[int]]:
    """Follow the file named in `_ibm_clip`: starts from 0 to n - F * frame_step, rounded down by linspace."""
    last = max(0, num_frames - views.frame_step * views.clip_len)
    offsets = [i * views.frame_step for i in range(views.clip_len)]
    starts = np.linspace(0, last, num=views.num_clips, dtype=int).tolist()
    return [_looped(start, offsets, num_frames) for start in starts]


_EVAL = {
    "dense": _eval_dense,
    "dense_ibm": _eval_dense_ibm,
    "uniform": _eval_uniform,
    "uniform_ibm": _eval_uniform_ibm,
}
