"""torchvision's ImageNet weights, the V1 ones that IBM's action-recognition-pytorch starts from."""

import hashlib
from pathlib import Path
from urllib.error import URLError

import torch

from vidprep.errors import CheckpointError

SITE = "https://download.pytorch.org/models"
# The end of a name is the beginning of the file's sha256.
FILES = {
    18: "resnet18-5c106cde.pth",
    34: "resnet34-333f7ec4.pth",
    50: "resnet50-19c8e357.pth",
    101: "resnet101-5d3b4d8f.pth",
}


def fetch_imagenet(depth: int) -> Path:
    """Return the file of a 2D ResNet's ImageNet weights, downloaded into torch's cache if it is not there.

    Raises:
        CheckpointError: If it cannot be downloaded, or its sha256 does not begin as its name says.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / FILES[depth]
    url = f"{SITE}/{FILES[depth]}"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=_hash_prefix(path), progress=False)
        except (URLError, OSError, RuntimeError) as error:
            raise CheckpointError(
                f"ImageNet weights could not be downloaded from {url} ({error}). "
                f"Download that file on a machine with a network; put it at {path}, or pass it with --init."
            ) from error
    _check_hash(path)
    return path


def _check_hash(path: Path) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if not found.startswith(_hash_prefix(path)):
        raise CheckpointError(
            f"{path}: its sha256 begins with {found[:8]}, not with the {_hash_prefix(path)} of its name. "
            "Delete it and fetch it again."
        )


def _hash_prefix(path: Path) -> str:
    return path.stem.rpartition("-")[2]
