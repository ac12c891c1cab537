"""Runs that go on longer than planned, with other settings, or with the momentum of another run."""

import pytest
import torch

import vidprep
from tests.helpers.runs.tiny import SETTINGS
from vidprep.errors import HarnessError, HarnessStopped
from vidprep.harness.run_folder import epoch_checkpoints, read_facts, read_metrics
from vidprep.harness.training.checkpoints import Position
from vidprep.harness.training.continuing.changes import Change, is_allowed, what_it_means
from vidprep.harness.training.state import StepDone, TrainStarted
from vidprep.load import LoaderOptions
from vidprep.model.weight_files import read_checkpoint
from vidprep.recipes.recipe import DatasetStage, Optimisation, Recipe

STEP = {"optimisation.schedule": "step", "optimisation.milestones": "[1,2]", "optimisation.lr": 0.004}


def train(shards, run_dir, *, settings=None, **options):
    overrides = [f"{name}={value}" for name, value in (SETTINGS | (settings or {})).items()]
    return vidprep.train(
        shards, run_dir, overrides=overrides, log_every=1, loading=LoaderOptions(num_workers=0), **options
    )


def stopped_after(shards, run_dir, steps, **options):
    """Train, and let a person press Ctrl-C after so many steps of the whole run."""
    import os
    import signal

    def press(event):
        if isinstance(event, StepDone) and event.position.total_steps == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(HarnessStopped):
        train(shards, run_dir, on_event=press, **options)


def curve(run_dir):
    return [(line["step"], line["loss"], line["lr"]) for line in read_metrics(run_dir) if "loss" in line]


def last(run_dir):
    return read_checkpoint(epoch_checkpoints(run_dir)[max(epoch_checkpoints(run_dir))])


@pytest.mark.slow
def test_extended_and_interrupted_twice_is_planned_so_from_the_start(tiny_shards, tmp_path):
    train(tiny_shards, tmp_path / "planned", settings=STEP)
    train(tiny_shards, tmp_path / "run", settings=STEP | {"optimisation.epochs": 1})
    longer = {"settings": STEP | {"optimisation.epochs": 3}, "resume": True}
    stopped_after(tiny_shards, tmp_path / "run", 4, **longer)
    stopped_after(tiny_shards, tmp_path / "run", 7, **longer)
    told = []
    train(tiny_shards, tmp_path / "run", on_event=told.append, **longer)
    assert curve(tmp_path / "run") == curve(tmp_path / "planned")
    one, other = last(tmp_path / "run"), last(tmp_path / "planned")
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in other["model"])
    starts = read_facts(tmp_path / "run")["starts"]
    extended = "From step 3 on, optimisation.epochs is 3 instead of 1."
    assert [start["changes"] for start in starts] == [[], [extended], [], []]


def test_a_cosine_is_extended_only_if_asked(tiny_shards, tmp_path):
    train(tiny_shards, tmp_path / "run", settings={"optimisation.epochs": 1})
    with pytest.raises(
        HarnessError, match=r"optimisation.epochs is 1 there and 2 now.*--extend goes on with"
    ):
        train(tiny_shards, tmp_path / "run", settings={"optimisation.epochs": 2}, resume=True)
    told = []
    train(
        tiny_shards,
        tmp_path / "run",
        settings={"optimisation.epochs": 2},
        resume=True,
        extend=True,
        on_event=told.append,
    )
    (warning,) = next(event for event in told if isinstance(event, TrainStarted)).warnings
    assert warning.startswith(
        "From step 3 on the cosine is that of 2 epochs, and was that of 1: the learning"
    )
    assert "goes from 0 to 0.001 here" in warning and "say so where you report it" in warning
    assert curve(tmp_path / "run")[3][2] == pytest.approx(0.001)
    assert read_facts(tmp_path / "run")["starts"][1]["changes"] == [warning]


def test_another_setting_has_to_be_named_and_is_noted(tiny_shards, tmp_path):
    train(tiny_shards, tmp_path / "run", settings={"optimisation.epochs": 1})
    other = {"optimisation.weight_decay": 0.1, "optimisation.epochs": 1}
    with pytest.raises(
        HarnessError, match=r"From here on: --allow-change optimisation.weight_decay\.".lower()
    ):
        try:
            train(tiny_shards, tmp_path / "run", settings=other, resume=True)
        except HarnessError as error:
            raise HarnessError(str(error).lower()) from error
    train(
        tiny_shards,
        tmp_path / "run",
        settings=other,
        resume=True,
        allow_change=["optimisation.weight_decay"],
    )
    (change,) = read_facts(tmp_path / "run")["starts"][1]["changes"]
    assert change == "From step 3 on, optimisation.weight_decay is 0.1 instead of 0.0005."


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("optimisation.weight", r"no such setting of a training. Did you mean 'optimisation.weight_decay'"),
        ("optimisation.batch_size", r"the steps or the weights of the run do not fit. Begin another run"),
        ("seeds", r"no such setting of a training. It is one of train_clip.clip_len"),
    ],
)
def test_keys_that_cannot_change(tiny_shards, tmp_path, key, message):
    train(tiny_shards, tmp_path / "run", settings={"optimisation.epochs": 1})
    with pytest.raises(HarnessError, match=message):
        train(tiny_shards, tmp_path / "run", resume=True, allow_change=[key])


def test_fewer_epochs_than_are_done():
    now = Recipe(name="x", title="x", dataset=DatasetStage(name="ssv2"), optimisation=Optimisation(epochs=2))
    change = Change("optimisation.epochs", 5, 2)
    with pytest.raises(
        HarnessError, match=r"The run has 2.5 epochs already, and optimisation.epochs is 2 now"
    ):
        is_allowed(change, now, Position(2, 5, 10), keys=(), extend=True)
    assert "instead of 5" in what_it_means(Change("optimisation.lr", 5, 2), now, now, Position(0, 1, 10))


def test_momentum_comes_along(tiny_shards, tmp_path):
    settings = {"optimisation.epochs": 1}
    first = train(tiny_shards, tmp_path / "first", settings=settings).checkpoint
    train(tiny_shards, tmp_path / "weights", settings=settings, init=first)
    train(tiny_shards, tmp_path / "both", settings=settings, init=first, init_optimiser=True)
    weights, both = curve(tmp_path / "weights"), curve(tmp_path / "both")
    assert weights[0] == both[0] and weights[1] != both[1]
    assert "The optimiser's momentum comes with it." in read_facts(tmp_path / "both")["starts"][0]["weights"]
    with pytest.raises(HarnessError, match="give that checkpoint"):
        train(tiny_shards, tmp_path / "none", init_optimiser=True)
    torch.save(read_checkpoint(first)["model"], tmp_path / "plain.pt")
    with pytest.raises(HarnessError, match=r"Only a checkpoint of a training has momentum"):
        train(
            tiny_shards, tmp_path / "no", settings=settings, init=tmp_path / "plain.pt", init_optimiser=True
        )
