"""Shards to uint8 clips: exact epochs, resumable anywhere, decoded in place.

ClipLoader   training clips                  LoaderOptions   how to use the machine
ViewLoader   evaluation views                Batch           what both give
ShardDataset single samples, by number       DictOutput      what dictionaries hold instead
decode_clip  for a plain webdataset pipeline
to_network_input  from a batch to what a network takes
Augmenter    the same, augmented, with soft targets
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.load.augment.augmenter import Augmenter as Augmenter
    from vidprep.load.batch import Batch as Batch
    from vidprep.load.clip_loader import ClipLoader as ClipLoader
    from vidprep.load.options import LoaderOptions as LoaderOptions
    from vidprep.load.output import DictOutput as DictOutput
    from vidprep.load.shard_dataset import ShardDataset as ShardDataset
    from vidprep.load.shard_dataset import decode_clip as decode_clip
    from vidprep.load.transforms import to_network_input as to_network_input
    from vidprep.load.view_loader import ViewLoader as ViewLoader

_MODULES = {
    "Augmenter": "augment.augmenter",
    "Batch": "batch",
    "ClipLoader": "clip_loader",
    "DictOutput": "output",
    "LoaderOptions": "options",
    "ShardDataset": "shard_dataset",
    "ViewLoader": "view_loader",
    "decode_clip": "shard_dataset",
    "to_network_input": "transforms",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    # On demand: worker processes need no torch (1 s and 200 MB each).
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
