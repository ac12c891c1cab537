"""A shard set that is nasty to readers, recipes to run on it, and skips for packages that are not here."""

import importlib
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.sets.numbered import encode, sample, write_shard_set
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.card import dataset_card, format_json, wids_index
from vidprep.shards.index import read_index
from vidprep.shards.layout import CARD, wids_name
from vidprep.shards.manifest import read_manifest

RECIPES = Path(__file__).parent / "recipes"
CLIP = TrainClip(clip_len=4, crop_size=32, frame_step=2)
VIEWS = EvalViews(clip_len=4, crop_size=32, num_clips=1, num_crops=1)
# Of the train split: ids that readers stumble over, and keys of 90 bytes.
IDS = ["-dash", "_line", "__two", "ends-", "0123", "a" * 84, "-" * 84, "x", "y", "z", "u", "v", "w"]
NUM_CLASSES = 4


def pytest_collection_modifyitems(items):
    """Warnings of other people's packages are theirs, and so is the minute that some take to be imported."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Other people's packages leave threads and processes; not looked at here."""


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """13 training videos in shards of 3, 5 to validate; whole rates come first, one video has one frame."""
    work = tmp_path_factory.mktemp("nasty")
    samples = []
    for number, name in enumerate([*IDS, *(f"val{i}" for i in range(5))]):
        split = "train" if number < len(IDS) else "validation"
        num_frames = 1 if number == 1 else 8 + number % 5
        data = encode(num_frames, number, width=64, height=64, path=work)
        made = sample(split, name, number % NUM_CLASSES, data, num_frames, 64, 64)
        rate = 30.0 if number < 4 else 29.97
        samples.append(replace(made, fps=rate, duration_seconds=num_frames / rate))
    root = write_shard_set(work / "nasty", samples, per_shard=3)
    manifest = read_manifest(root)
    (root / CARD).write_text(dataset_card(manifest))
    for split in ("train", "validation"):
        (root / wids_name(split)).write_text(format_json(wids_index(manifest, split)))
    return root


def needs(*packages):
    """Skip a test, and say so, unless these modules can be imported."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            pytest.skip(f"{package} cannot be imported ({error}); `make conformance` installs it")


def run_recipe(name, **names):
    """Run a recipe as it stands in docs/other-trainers.md; return what it defined."""
    return runpy.run_path(str(RECIPES / f"{name}.py"), init_globals=names)


def rows_of(shards, split):
    """Return what the index says of each sample of a split."""
    return {row["key"]: row for row in read_index(shards).to_pylist() if row["split"] == split}
