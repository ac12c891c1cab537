"""The shard set on disk: the format that the builder writes and the loaders read.

layout.py         names of files and folders      shard_set.py       opening a set
tar.py            samples in a tar                stored_video.py    a sample's bytes, checked by crc32
index.py          one row per sample              ledger.py          one row per annotated video
manifest.py       what the set is, with hashes    checks.py          `vidprep verify`
columns/          what opening a set reads        passports/         which videos a set holds; comparing two
third_party/      tars that others wrote          transfer/          object stores: push, pull, retries
exports.py, croissant.py, card.py   descriptions for other programs and for people
"""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.shards.checks import verify as verify

__all__ = ["verify"]
# It brings pyarrow and PyAV, which decoding workers start without.
__getattr__, __dir__ = lazy_names(__name__, {"verify": "vidprep.shards.checks"})
