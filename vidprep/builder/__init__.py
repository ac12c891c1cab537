"""From annotated videos to a shard set: plan, transcode, pack, account for every video."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.builder.from_raw import build as build

__all__ = ["build"]


def __getattr__(name: str) -> Any:
    # On demand: `vidprep status` and workers need no Dask.
    if name != "build":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidprep.builder.from_raw import build

    return build
