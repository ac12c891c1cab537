"""The batches of release 0.1, to the last bit: a run that it began can be finished by this one."""

import hashlib
import json

import pytest

from tests.helpers.paths import REPOSITORY
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.recipes.recipe import TrainClip

FIXTURE = REPOSITORY / "tests/fixtures/release_0_1"
BATCHES = json.loads((FIXTURE / "batches.json").read_text())


def loader(name):
    pixels, _, clip = name.partition(" ")
    return ClipLoader(
        FIXTURE / "shards",
        "train",
        clip=TrainClip(**json.loads(clip)),
        batch_size=4,
        seed=3,
        pixels=pixels,
        options=LoaderOptions(num_workers=0),
    )


@pytest.mark.parametrize("name", BATCHES)
def test_batches(name):
    clips, found = loader(name), []
    for epoch in range(2):
        clips.set_epoch(epoch)
        for batch in clips:
            pixels = hashlib.sha256(batch.video.numpy().tobytes()).hexdigest()
            found.append([list(batch.key), pixels[:16]])
    assert found == BATCHES[name]


def test_a_position_of_release_0_1_is_understood():
    """It named no clip, and called the start of an epoch the end of the one before."""
    clips = loader(next(iter(BATCHES)))
    state = {name: value for name, value in clips.state_dict().items() if name != "clip"}
    clips.load_state_dict(state | {"epoch": 0, "step": 3})
    assert (clips.epoch, clips.step) == (1, 0)
