"""Which frames of a video make a clip: integers in, integers out.

F = `clip_len`, n = `num_frames` of the video, K = `num_clips`; all indices count from 0.
"""

from fractions import Fraction

import numpy as np

from vidprep.load.sampling.draws import Draws
from vidprep.recipes.recipe import EvalViews, TrainClip


def clip_span(clip_len: int, frame_step: int) -> int:
    """Return how many source frames a dense clip covers, from its first frame to its last."""
    return (clip_len - 1) * frame_step + 1


def clip_starts(num_frames: int, *, span: int, num_clips: int) -> list[int]:
    """Return the first frame of `num_clips` clips spread evenly over a video.

    Starts run from 0 to `num_frames - span`, both included. A video shorter than `span` gives zeros;
    `dense_clip` then loops it.

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


def dense_clip(start: int, num_frames: int, *, clip_len: int, frame_step: int) -> list[int]:
    """Return `clip_len` frames from `start` on, `frame_step` apart; a video that ends too soon is looped."""
    return [(start + i * frame_step) % num_frames for i in range(clip_len)]


def train_frames(clip: TrainClip, num_frames: int, draws: Draws) -> list[int]:
    """Return the frames of one random training clip.

    Args:
        draws: Decides the clip; equal draws make equal clips.

    Raises:
        ValueError: If the video has no frames.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
    return _TRAIN[clip.temporal](clip, num_frames, draws)


def _train_dense(clip: TrainClip, num_frames: int, draws: Draws) -> list[int]:
    span = clip_span(clip.clip_len, clip.frame_step)
    start = draws.below(max(1, num_frames - span + 1))
    return dense_clip(start, num_frames, clip_len=clip.clip_len, frame_step=clip.frame_step)


def _train_uniform(clip: TrainClip, num_frames: int, draws: Draws) -> list[int]:
    """floor((i + u_i) n / F), with u_i in 2**32 steps so that no float is rounded."""
    steps = 1 << 32
    return [
        (i * steps + draws.below(steps)) * num_frames // (clip.clip_len * steps) for i in range(clip.clip_len)
    ]


def _train_uniform_ibm(clip: TrainClip, num_frames: int, draws: Draws) -> list[int]:
    """One offset for all segments of n // F frames: the tail is never seen. For parity only."""
    segment = num_frames // clip.clip_len
    if segment:
        offset = draws.below(segment)
        return [segment * i + offset for i in range(clip.clip_len)]
    return sorted(draws.below(num_frames) for _ in range(clip.clip_len))


_TRAIN = {"dense": _train_dense, "uniform": _train_uniform, "uniform_ibm": _train_uniform_ibm}


def eval_frames(views: EvalViews, num_frames: int) -> list[list[int]]:
    """Return the frames of each of the `num_clips` clips of an evaluation.

    Raises:
        ValueError: If the video has no frames.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
    return _EVAL[views.temporal](views, num_frames)


def _eval_dense(views: EvalViews, num_frames: int) -> list[list[int]]:
    span = clip_span(views.clip_len, views.frame_step)
    return [
        dense_clip(start, num_frames, clip_len=views.clip_len, frame_step=views.frame_step)
        for start in clip_starts(num_frames, span=span, num_clips=views.num_clips)
    ]


def _eval_uniform(views: EvalViews, num_frames: int) -> list[list[int]]:
    """Centres of K x F cells, dealt out to the K clips in turn, in integers only."""
    num_clips, clip_len = views.num_clips, views.clip_len
    return [
        [
            ((2 * num_clips * i + 2 * k + 1) * num_frames) // (2 * num_clips * clip_len)
            for i in range(clip_len)
        ]
        for k in range(num_clips)
    ]


def _eval_uniform_ibm(views: EvalViews, num_frames: int) -> list[list[int]]:
    first = -views.num_clips // 2 + 1
    return [_ibm_clip(views.clip_len, num_frames, first + k, k) for k in range(views.num_clips)]


def _ibm_clip(clip_len: int, num_frames: int, offset: int, seed: int) -> list[int]:
    """Follow IBM/action-recognition-pytorch, utils/video_dataset.py, floats and seeds included."""
    if num_frames <= clip_len:
        return sorted(np.random.RandomState(seed).choice(num_frames, clip_len).tolist())
    tick = num_frames / clip_len
    shift = max(-tick / 2, offset if offset < tick / 2 else tick / 2 - 1e-4)
    return [int(tick / 2 + shift + tick * i) for i in range(clip_len)]


_EVAL = {"dense": _eval_dense, "uniform": _eval_uniform, "uniform_ibm": _eval_uniform_ibm}
