"""From annotated videos to a shard set: plan, transcode, pack, account for every video."""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.builder.from_raw import build as build

__all__ = ["build"]
# `vidprep status` and workers need no Dask.
__getattr__, __dir__ = lazy_names(__name__, {"build": "vidprep.builder.from_raw"})
