"""The shard set on disk: the contract where building and loading meet."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.shards.checks import verify as verify

__all__ = ["verify"]


def __getattr__(name: str) -> Any:
    # On demand: it brings pyarrow and PyAV, which decoding workers start without.
    if name != "verify":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidprep.shards.checks import verify

    return verify
