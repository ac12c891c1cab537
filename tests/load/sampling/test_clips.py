"""Clip sampling: the worked examples of the references, and what holds for every video."""

from itertools import chain
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidprep.load.sampling.clips import centre_frames, clip_starts, eval_frames, train_frames
from vidprep.load.sampling.draws import Draws
from vidprep.recipes.recipe import EvalViews, TrainClip

TRAIN = get_args(TrainClip.model_fields["temporal"].annotation)
EVAL = get_args(EvalViews.model_fields["temporal"].annotation)


@pytest.mark.parametrize(
    ("k", "head", "tail"),
    [
        (0, [0, 4, 7, 11, 15, 18], [102, 106, 110, 113]),
        (1, [1, 5, 9, 12, 16, 20], [104, 107, 111, 115]),
        (2, [3, 6, 10, 14, 17, 21], [105, 109, 112, 116]),
    ],
)
def test_uniform_views_of_117_frames(k, head, tail):
    frames = eval_frames(EvalViews(temporal="uniform", num_clips=3), 117)[k]
    assert (frames[:6], frames[-4:]) == (head, tail)


@pytest.mark.parametrize(
    ("frame_step", "starts"),
    [
        (2, [0, 26, 53, 79, 105, 132, 158, 184, 211, 237]),
        (1, [0, 30, 60, 89, 119, 149, 179, 208, 238, 268]),
    ],
)
def test_dense_views_of_300_frames(frame_step, starts):
    clips = eval_frames(EvalViews(num_clips=10, frame_step=frame_step), 300)
    assert [clip[0] for clip in clips] == starts
    assert clips[-1][-1] == 299


def test_half_a_frame_rounds_to_even():
    assert clip_starts(20, span=7, num_clips=3) == [0, 6, 13]


def test_short_video_loops():
    assert train_frames(TrainClip(), 5, Draws("a"))[:7] == [0, 1, 2, 3, 4, 0, 1]
    assert eval_frames(EvalViews(), 5) == [[i % 5 for i in range(32)]] * 3


def test_k400_and_ssv2_are_covered_whole():
    """Recipe: 10 x 32 frames cover 300, 3 x 32 cover the 24 to 72 of SSv2, with frame_step 1."""
    assert set(chain(*eval_frames(EvalViews(num_clips=10), 300))) == set(range(300))
    for num_frames in range(24, 73):
        assert set(chain(*eval_frames(EvalViews(num_clips=3), num_frames))) == set(range(num_frames))


def test_ibm_training_never_sees_the_tail():
    seen = {f for i in range(500) for f in train_frames(TrainClip(temporal="uniform_ibm"), 63, Draws(i))}
    assert seen == set(range(32))


def test_ibm_views():
    """Centres of 32 segments, shifted by -1, 0 and 1 frames; offsets are -K // 2 + 1 .. K // 2 in Python."""
    views = EvalViews(temporal="uniform_ibm", num_clips=3)
    first, second, third = eval_frames(views, 320)
    assert first[:3] == [4, 14, 24]
    assert second[:3] == [5, 15, 25]
    assert third[:3] == [6, 16, 26]
    assert eval_frames(EvalViews(temporal="uniform_ibm", num_clips=2), 320)[0][0] == 5


@pytest.mark.parametrize(("step", "num_clips"), [(2, 10), (1, 3), (2, 1)])
def test_dense_ibm_starts_where_that_code_does(step, num_clips):
    """Its starts for each length: linspace from 0 to max(1, 1 + n - 64) - 1, cut to whole numbers; looped."""
    views = EvalViews(temporal="dense_ibm", frame_step=step, num_clips=num_clips)
    ours = EvalViews(frame_step=step, num_clips=num_clips)
    for n in range(1, 401):
        starts = np.linspace(0, max(1, 1 + n - step * 32) - 1, num=num_clips, dtype=int)
        expected = [[int(start + step * i) % n for i in range(32)] for start in starts]
        assert eval_frames(views, n) == expected, n
        if n > 32 * step:
            later = [b[0] - a[0] for a, b in zip(expected, eval_frames(ours, n), strict=True)]
            assert all(0 <= difference <= 2 for difference in later), n


def test_ibm_views_of_a_short_video_are_drawn_from_a_seed():
    """np.random.seed(k); sorted(np.random.choice(20, 32)), as in that code."""
    first, second, _ = eval_frames(EvalViews(temporal="uniform_ibm", num_clips=3), 20)
    assert len(first) == 32
    assert first[:5] == [0, 0, 1, 3, 3]
    assert first != second


def test_every_way_to_sample_has_a_centre_clip_too():
    assert set(TRAIN) <= set(EVAL)
    for temporal in TRAIN:
        assert len(centre_frames(TrainClip(clip_len=4, temporal=temporal), 20)) == 4


@given(
    n=st.integers(1, 700),
    clip_len=st.integers(1, 40),
    step=st.integers(1, 4),
    temporal=st.sampled_from(TRAIN),
    seed=st.integers(0, 2**40),
)
def test_training_frames_exist(n, clip_len, step, temporal, seed):
    clip = TrainClip(clip_len=clip_len, frame_step=step, temporal=temporal)
    frames = train_frames(clip, n, Draws("clip", seed, "key"))
    assert len(frames) == clip_len
    assert all(0 <= frame < n for frame in frames)
    assert frames == train_frames(clip, n, Draws("clip", seed, "key"))
    if temporal != "dense" or n >= (clip_len - 1) * step + 1:
        assert frames == sorted(frames)


@given(
    n=st.integers(1, 700),
    clip_len=st.integers(1, 40),
    num_clips=st.integers(1, 10),
    step=st.integers(1, 3),
    temporal=st.sampled_from(EVAL),
)
def test_views_exist_and_differ(n, clip_len, num_clips, step, temporal):
    views = EvalViews(clip_len=clip_len, num_clips=num_clips, frame_step=step, temporal=temporal)
    clips = eval_frames(views, n)
    assert [len(clip) for clip in clips] == [clip_len] * num_clips
    assert all(0 <= frame < n for clip in clips for frame in clip)
    room = n - ((clip_len - 1) * step + 1)
    if (temporal == "dense" and room >= num_clips - 1) or (
        temporal == "uniform" and n >= clip_len * num_clips
    ):
        assert len({tuple(clip) for clip in clips}) == num_clips


@given(n=st.integers(1, 300), clip_len=st.integers(1, 32))
def test_uniform_clip_has_one_frame_in_each_segment(n, clip_len):
    frames = train_frames(TrainClip(clip_len=clip_len, temporal="uniform"), n, Draws(n, clip_len))
    for i, frame in enumerate(frames):
        assert i * n // clip_len <= frame <= ((i + 1) * n - 1) // clip_len


def test_every_start_is_as_likely():
    starts = [train_frames(TrainClip(), 40, Draws("clip", i))[0] for i in range(9000)]
    counts = [starts.count(start) for start in range(9)]
    assert sum(counts) == 9000
    assert all(850 < count < 1150 for count in counts)


@pytest.mark.parametrize("call", [lambda: train_frames(TrainClip(), 0, Draws()), lambda: Draws().below(0)])
def test_nothing_to_draw_from(call):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        call()
