"""Every live display has its text under the bar, where a terminal of 80 columns has room for it."""

import io

import pytest
from rich.console import Console

from vidprep.cli.display import BuildProgress, EvalProgress, StepProgress, TrainProgress
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.state import TrainStarted


def display(kind, console):
    if kind == "build":
        shown = BuildProgress(console)
        shown.update({"event": "planned", "name": "a", "num_videos": 9, "num_finished": 3, "num_rejected": 0})
        return shown
    if kind == "train":
        shown = TrainProgress(console)
        shown.update(TrainStarted(Position(epoch=1, step=0, per_epoch=9), 2, (), ()))
        return shown
    shown = {"eval": EvalProgress(1, console), "steps": StepProgress(9, "draws", console)}[kind]
    (shown.update if kind == "eval" else shown.step)(3, 9 if kind == "eval" else "a")
    return shown


@pytest.mark.parametrize("kind", ["build", "train", "eval", "steps"])
def test_the_text_stands_under_the_bar(kind):
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(display(kind, console).render())
    bar, text, *_ = console.file.getvalue().splitlines()
    assert set(bar.strip()) <= set("━╸╺")
    assert "/ 9" in text or "epoch 1/2" in text
