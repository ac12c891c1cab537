"""Networks that a user's own function builds: trained, resumed, evaluated, reported on."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import vidprep
from tests.helpers.paths import REPOSITORY
from tests.helpers.runs.tiny import losses, run
from vidprep.analysis.erf import analyse_erf
from vidprep.analysis.filters import analyse_filters
from vidprep.cli.main import app
from vidprep.errors import CheckpointError, HarnessError, RecipeError
from vidprep.harness.run_folder import epoch_checkpoints, read_facts
from vidprep.model.network import build_network
from vidprep.model.weight_files import read_checkpoint
from vidprep.recipes.pipelines import read_pipeline
from vidprep.recipes.recipe import ModelStage

NETWORK = ["model.factory=r2plus1d:r2plus1d_18", "model.width=4", "model.dropout=0.5"]
TRAINING = [
    *("train_clip.clip_len=4", "train_clip.crop_size=32", "eval_views.clip_len=4", "eval_views.crop_size=48"),
    *("optimisation.epochs=2", "optimisation.batch_size=8", "optimisation.lr=0.01"),
]
STAGE = {"factory": "r2plus1d:r2plus1d_18", "width": 4, "dropout": 0.5}


@pytest.fixture(autouse=True)
def examples_are_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))


def train(shards, run_dir, *settings, **options):
    return vidprep.train(shards, run_dir, overrides=[*NETWORK, *TRAINING, *settings], device="cpu", **options)


@pytest.fixture(scope="module")
def trained(tiny_shards, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "examples"))
        run_dir = tmp_path_factory.mktemp("factory") / "run"
        train(tiny_shards, run_dir)
    return run_dir


def test_a_checkpoint_says_how_to_build_its_network(trained):
    last = read_checkpoint(epoch_checkpoints(trained)[2])
    assert last["recipe"]["model"] == STAGE
    import r2plus1d

    network = r2plus1d.r2plus1d_18(num_classes=4, width=4)
    network.load_state_dict(last["model"])  # by its own names


def test_a_run_goes_on_as_if_it_had_not_stopped(trained, tiny_shards, tmp_path):
    import shutil

    run_dir = tmp_path / "run"
    shutil.copytree(trained, run_dir)
    paths = epoch_checkpoints(run_dir)
    whole = read_checkpoint(paths[2])["model"]
    paths[2].unlink()
    for extra in run_dir.glob("**/epoch-0002*"):
        extra.unlink()
    train(tiny_shards, run_dir, resume=True)
    again = read_checkpoint(epoch_checkpoints(run_dir)[2])["model"]
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items())
    with pytest.raises(HarnessError, match=r"model.arguments is .*width.: 4.* there and .*width.: 8"):
        train(tiny_shards, run_dir, "model.width=8", resume=True)


@pytest.mark.slow
def test_two_ranks_train_what_one_does(tiny_shards, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    settings = [*TRAINING, "model.factory=tests.helpers.runs.own_network:doubled", "model.width=4"]
    own = [word for setting in settings for word in ("--set", setting)]
    for name, num_ranks in (("one", 1), ("two", 2)):
        words = ["--shards", tiny_shards, "--out", tmp_path / name, "--workers", 1, "--log-every", 1]
        run("train", *words, *own, num_ranks=num_ranks)
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-6)
    assert read_facts(tmp_path / "two")["starts"][0]["environment"]["num_ranks"] == 2
    evaluated = vidprep.evaluate(tiny_shards, tmp_path / "two", tmp_path / "eval", device="cpu")
    assert evaluated.coverage.scored == 7


def test_evaluation_and_report(trained, tiny_shards, tmp_path):
    evaluated = vidprep.evaluate(tiny_shards, trained, tmp_path / "eval", device="cpu")
    assert evaluated.coverage.scored == 7
    page = tmp_path / "page.html"
    vidprep.write_report([tiny_shards, trained, tmp_path / "eval"], page)
    assert "r2plus1d:r2plus1d_18" in page.read_text()


def test_first_weights_of_its_own(trained, tiny_shards, tmp_path):
    events = []
    weights = epoch_checkpoints(trained)[2]
    train(tiny_shards, tmp_path / "run", "optimisation.epochs=1", init=weights, on_event=events.append)
    assert any("weights loaded by the network's own names" in line for line in events[0].description)
    with pytest.raises(RecipeError, match="--init imagenet is for I3D-ResNets, the network is made by 'r2"):
        train(tiny_shards, tmp_path / "other", init="imagenet")
    with pytest.raises(CheckpointError, match=r"'3.weight' has shape .*, the network needs \(8, 45"):
        train(tiny_shards, tmp_path / "wide", "model.width=8", init=weights)


def test_filters_are_measured_and_fields_say_what_they_need(trained, tmp_path):
    weights = epoch_checkpoints(trained)[2]
    assert analyse_filters(tmp_path / "filters", checkpoint=weights)["all"]["num_filters"] > 0
    with pytest.raises(CheckpointError, match=r"is made by 'r2plus1d:r2plus1d_18'. Receptive fields need an"):
        analyse_erf(tmp_path / "erf", checkpoint=weights)


def test_what_it_costs(capsys):
    app(
        ["model", "demo", "--json", *(f"--set={word}" for word in (*NETWORK, *TRAINING))],
        standalone_mode=False,
    )
    facts = json.loads(capsys.readouterr().out)
    network = build_network(ModelStage.model_validate(STAGE), facts["num_classes"])
    assert facts["num_parameters"] == sum(parameter.numel() for parameter in network.parameters())


def test_arguments_are_the_keys_of_its_table(tmp_path):
    recipe = read_pipeline("demo", ["model.factory=a.b:make", "model.depth=7"])
    assert recipe.model.model_dump() == {"factory": "a.b:make", "depth": 7}
    assert "factory" not in ModelStage().model_dump()
    with pytest.raises(RecipeError, match="'num_classes' cannot be set"):
        read_pipeline("demo", ["model.factory=a:b", "model.num_classes=7"])
    with pytest.raises(RecipeError, match=r"model.factory: .*pattern.*got 'a.b'"):
        read_pipeline("demo", ["model.factory=a.b"])


def no_network(num_classes):
    return num_classes


def too_many(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, num_classes + 1))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"factory": "no_such_module:f"}, "No module named 'no_such_module'. Install its package, or"),
        (
            {"factory": "r2plus1d:r2plus1d"},
            r"r2plus1d.py has no function 'r2plus1d'. Did you mean 'r2plus1d_18'",
        ),
        (STAGE | {"depth": 3}, "called with num_classes=4, width=4, dropout=0.5, depth=3: .*'depth'"),
        ({"factory": f"{__name__}:no_network"}, "returns a int; a torch.nn.Module is needed"),
    ],
)
def test_factories_that_make_no_network(stage, message):
    with pytest.raises(RecipeError, match=message):
        build_network(ModelStage.model_validate(stage), 4)


def test_logits_of_another_shape():
    network = build_network(ModelStage(factory=f"{__name__}:too_many"), 4)
    with pytest.raises(
        RecipeError, match=r"gives \(2, 5\) for clips .*; logits of shape \(2, 4\) are needed"
    ):
        network(torch.zeros(2, 3, 4, 8, 8))
