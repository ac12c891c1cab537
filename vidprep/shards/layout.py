"""Names inside a shard set: keys, members, files. `docs/shards.md` draws the tree."""

import re

MANIFEST = "manifest.json"
CLASSES = "classes.json"
INDEX = "index.parquet"
LEDGER = "ledger.parquet"
CARD = "README.md"
BUILD_DIR = ".build"
# Indexes of other readers that may lie beside a tar, named after it (Energon, wds2idx).
SIDECAR_SUFFIXES = (".idx",)

# Members of one sample, in the order in which they lie in the tar.
MEMBERS = ("cls", "json", "mp4")

_KEY_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MAX_KEY_BYTES = 90


def sample_key(split: str, video_id: str) -> str:
    """Return the key of a sample, unique over all splits.

    The split in front keeps YouTube ids that start with `__` or `-` readable: WebDataset readers drop names
    that start with `__` or `.`.

    Raises:
        ValueError: If the key would hold anything but ASCII letters, digits, `_` and `-`, or exceed 90 bytes
            (a dot would end the key, and tar names end at 100 bytes).
    """
    key = f"{split}-{video_id}"
    if not is_valid_key(key):
        raise ValueError(
            f"video id {video_id!r} makes no valid key: ASCII letters, digits, '_' and '-' only, "
            f"at most {_MAX_KEY_BYTES - len(split) - 1} of them."
        )
    return key


def is_valid_key(key: str) -> bool:
    """Tell whether every reader of WebDataset tars can hold `key`."""
    return len(key) <= _MAX_KEY_BYTES and _KEY_PATTERN.fullmatch(key) is not None


def shard_name(name: str, split: str, number: int) -> str:
    """Return a shard's path inside the set, e.g. `train/mini_k400-train-000042.tar`."""
    return f"{split}/{name}-{split}-{number:06d}.tar"


def is_shard_name(name: str) -> bool:
    """Tell whether a name from a file may be opened as a tar of the set: a path below its folder, no other.

    train/a-000000.tar -> True     ../a.tar, /a.tar, s3://b/a.tar, train/../a.tar -> False
    """
    parts = name.split("/")
    plain = not any(part in ("", ".", "..") for part in parts)
    return plain and name.endswith(".tar") and not set(name) & set(":\\\0")


def wids_name(split: str) -> str:
    """Return the name of a split's index for the `wids` reader."""
    return f"{split}-index.json"
