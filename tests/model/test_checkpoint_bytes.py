"""A checkpoint with one changed byte is refused; files without a checksum are read as ever."""

import random
import zipfile

import pytest
import torch

from tests.helpers.paths import REPOSITORY
from vidprep.errors import CheckpointError
from vidprep.harness.training.checkpoints import newest_checkpoint
from vidprep.model import build_model
from vidprep.model.checkpoint_bytes import check_bytes, checkpoint_bytes
from vidprep.model.weight_files import checkpoint, read_checkpoint, read_weights
from vidprep.recipes.pipelines import read_pipeline

OF_0_1 = REPOSITORY / "tests/fixtures/release_0_1/run/checkpoints/epoch-0003.pt"


@pytest.fixture(scope="module")
def data():
    recipe = read_pipeline("demo", ["model.depth=18", "model.width=2"])
    return checkpoint_bytes(checkpoint(build_model(recipe.model, 2), recipe, ("a", "b")))


def test_torch_and_zip_read_it_like_any_other(data, tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(data)
    assert torch.load(path)["classes"] == ["a", "b"]
    assert zipfile.ZipFile(path).comment.startswith(b"vidprep sha256 ")
    assert check_bytes(path) == "as written"
    assert read_weights(path).classes == ("a", "b")


def test_no_flipped_bit_passes(data, tmp_path):
    draws, path = random.Random(0), tmp_path / "a.pt"
    # The end, where the checksum lies, byte for byte, and anywhere else.
    places = [*range(len(data) - 110, len(data)), *(draws.randrange(len(data)) for _ in range(100))]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << draws.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"a\.pt: (damaged|not a PyTorch file)"):
            read_weights(path)


def test_a_file_that_is_cut_or_grows_is_damaged(data, tmp_path):
    path = tmp_path / "a.pt"
    for changed in (data[:-1], data[: -len(b"vidprep sha256 ") - 64], data[: len(data) // 2], data + b"x"):
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"a\.pt: (damaged|not a PyTorch file)"):
            read_weights(path)


def test_a_run_goes_on_at_the_one_before_a_damaged_one(tmp_path, caplog):
    content = read_checkpoint(OF_0_1)
    (tmp_path / "checkpoints").mkdir()
    for epoch in (1, 2):
        (tmp_path / f"checkpoints/epoch-{epoch:04d}.pt").write_bytes(checkpoint_bytes(content))
    changed = bytearray((tmp_path / "checkpoints/epoch-0002.pt").read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "checkpoints/epoch-0002.pt").write_bytes(changed)
    path, _ = newest_checkpoint(tmp_path, per_epoch=3)
    assert path.name == "epoch-0001.pt"
    assert "bytes are not those that were written, by the checksum at its end" in caplog.text


def test_files_without_a_checksum_are_read(tmp_path):
    assert check_bytes(OF_0_1) == "no checksum"
    assert read_weights(OF_0_1).form == "vidprep"
    for new in (True, False):
        torch.save({"conv1.weight": torch.ones(2)}, tmp_path / "w.pt", _use_new_zipfile_serialization=new)
        assert check_bytes(tmp_path / "w.pt") == "no checksum"
        assert read_weights(tmp_path / "w.pt").form == "plain"


def test_other_people_s_files_may_have_a_comment_of_their_own(tmp_path):
    torch.save({"conv1.weight": torch.ones(2)}, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt", "a") as file:
        file.comment = b"from the model zoo"
    assert read_weights(tmp_path / "w.pt").form == "plain"
