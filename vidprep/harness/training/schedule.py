"""The learning rate of every step, and how many steps there are: pure arithmetic.

Source of the schedules: Kobayashi & Ye, WACV 2024, supplement, Table A.
"""

import math

from vidprep.recipes.recipe import Optimisation


def steps_per_epoch(num_videos: int, batch_size: int, clips_per_video: int = 1) -> int:
    """Return the optimiser steps of an epoch; videos that make no whole batch are left out of it.

    mini_ssv2: 81,663 videos in batches of 24 -> 3,402; with 2 clips of each video, 12 videos a batch -> 6,805
    """
    return num_videos * clips_per_video // batch_size


def learning_rate(stage: Optimisation, total_steps: int, per_epoch: int) -> float:
    """Return the learning rate of the next step.

    "step" multiplies by `gamma` after each milestone: with milestones 15 and 30, epochs 0 to 14 have the
    initial rate. "cosine" is lr / 2 * (1 + cos(pi * done / all)), counted in steps or in whole epochs.
    There is no warm-up.

    Args:
        stage: The recipe's optimisation.
        total_steps: Steps done since the beginning of the run.
        per_epoch: Steps of an epoch.
    """
    epoch = total_steps // per_epoch
    if stage.schedule == "step":
        return stage.lr * stage.gamma ** sum(epoch >= milestone for milestone in stage.milestones)
    done = epoch / stage.epochs
    if stage.cosine_per == "iteration":
        done = total_steps / (per_epoch * stage.epochs)
    return stage.lr * 0.5 * (1 + math.cos(math.pi * done))
