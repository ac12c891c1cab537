"""Names inside a shard set: keys, members, files. `docs/shards.md` shows the tree."""

import hashlib
import re
import string
from urllib.parse import unquote

MANIFEST = "manifest.json"
CLASSES = "classes.json"
INDEX = "index.parquet"
LEDGER = "ledger.parquet"
PASSPORT = "passport.parquet"
CARD = "README.md"
GENERATIONS = "generations"
# Suffixes of other readers' indexes beside a tar, which are named after it (Energon, wds2idx).
SIDECAR_SUFFIXES = (".idx",)

# Members of one sample, in the order in which they lie in the tar.
MEMBERS = ("cls", "json", "mp4")

_KEY_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MAX_KEY_BYTES = 90
_UNESCAPED = frozenset(string.ascii_letters + string.digits + "_")


def sample_key(split: str, video_id: str) -> str:
    """Return the key of a sample, which is unique over all splits: `<split>-<video id>`.

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
    """Tell whether `key` works with every reader of WebDataset tars."""
    return len(key) <= _MAX_KEY_BYTES and _KEY_PATTERN.fullmatch(key) is not None


def escaped_key(split: str, video_id: str) -> str:
    """Return the key of a sample whose id may hold any characters; `sample_key` if that is a valid key.

    After `<split>_e-`, every byte that is no ASCII letter, digit or `_` is written as `-` and two hexadecimal
    digits, and `unescaped_id` reads it back. A key that would exceed 90 bytes begins with `<split>_h-` and
    ends with a hash of the id; the id itself is in the sample's JSON and in the index.

        train, Café!/1.mp4 -> train_e-Caf-C3-A9-21-2F1-2Emp4
    """
    plain = f"{split}-{video_id}"
    if is_valid_key(plain):
        return plain
    data = video_id.encode()
    body = "".join(chr(byte) if chr(byte) in _UNESCAPED else f"-{byte:02X}" for byte in data)
    key = f"{split}_e-{body}"
    if is_valid_key(key):
        return key
    digest = hashlib.sha256(data).hexdigest()[:20]
    front = f"{split}_h-{body}"[: _MAX_KEY_BYTES - len(digest) - 1]
    return f"{front}-{digest}"


def unescaped_id(key: str) -> str | None:
    """Return the id that a key of `escaped_key` was made from; None if the key holds only a hash of it."""
    front, _, body = key.partition("-")
    if front.endswith("_h"):
        return None
    if not front.endswith("_e"):
        return body
    return re.sub(rb"-([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), body.encode()).decode()


def shard_name(name: str, split: str, number: int) -> str:
    """Return a shard's path inside the set, e.g. `train/mini_k400-train-000042.tar`."""
    return f"{split}/{name}-{split}-{number:06d}.tar"


def is_shard_name(name: str) -> bool:
    """Tell whether a name that was read from a file is the path of a tar below the set's folder.

    train/a-000000.tar -> True     ../a.tar, /a.tar, s3://b/a.tar, train/../a.tar, train/%2e%2e/a.tar -> False
    """
    return all(_is_plain(form) for form in (name, unquote(name)))  # a web server decodes the name


def _is_plain(name: str) -> bool:
    parts = name.split("/")
    plain = not any(part in ("", ".", "..") for part in parts)
    return plain and name.endswith(".tar") and not set(name) & set(":\\\0")


def generation_file(generation: int, name: str) -> str:
    """Return where an extended set keeps a generation's file, e.g. `generations/0002/index.parquet`."""
    return f"{GENERATIONS}/{generation:04d}/{name}"


def wids_name(split: str) -> str:
    """Return the name of a split's index for the `wids` reader."""
    return f"{split}-index.json"
