"""The shard set on disk: the format that the builder writes and the loaders read."""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.shards.checks import verify as verify

__all__ = ["verify"]
# It brings pyarrow and PyAV, which decoding workers start without.
__getattr__, __dir__ = lazy_names(__name__, {"verify": "vidprep.shards.checks"})
