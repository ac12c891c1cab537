"""How many frames of the videos no view shows."""

import pytest

from tests.helpers.runs.small_evaluation import VIDEOS, VIEWS
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.evaluation.tables.seen_frames import num_unseen
from vidprep.recipes.recipe import EvalViews


@pytest.mark.parametrize(
    ("views", "num_frames", "unseen"),
    [
        (EvalViews(clip_len=32, num_clips=3), 117, 21),  # 3 x 32 frames of 117
        (EvalViews(clip_len=32, num_clips=3), 96, 0),
        (EvalViews(clip_len=32, num_clips=3), 40, 0),  # clips overlap
        (EvalViews(clip_len=32, num_clips=3), 5, 0),  # looped
        (EvalViews(clip_len=32, num_clips=10), 300, 0),
        (EvalViews(clip_len=4, frame_step=2, num_clips=1), 7, 3),  # 0, 2, 4, 6
        (EvalViews(clip_len=4, temporal="uniform", num_clips=2), 20, 12),
    ],
)
def test_worked_cases(views, num_frames, unseen):
    assert num_unseen(views, num_frames) == unseen


def test_an_evaluation_says_it_of_its_videos(evaluated):
    seen = read_results(evaluated).seen_frames
    assert seen.frames == sum(frames for frames, _, _ in VIDEOS)
    assert seen.unseen == sum(num_unseen(VIEWS, frames) for frames, _, _ in VIDEOS)
    assert seen.unseen == 33 - 24 + 40 - 24 + 70 - 24
    assert seen.videos_seen_whole == 4
    assert seen.unseen_share == pytest.approx(seen.unseen / seen.frames)
