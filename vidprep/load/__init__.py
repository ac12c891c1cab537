"""Shards to uint8 clips: exact epochs, resumable at any batch, decoded into the batch's own memory.

ClipLoader   training clips                  LoaderOptions   how to use the machine
ViewLoader   evaluation views                Batch           what both give
ShardDataset single samples, by number       DictOutput      what dictionaries hold instead
decode_clip  for a plain webdataset pipeline
to_network_input  from a batch to what a network takes
Augmenter    the same, augmented, with soft targets

sampling/  which samples, frames and pixels      decoding/  from a stored video's bytes to pixels
workers/   the processes that read and decode    augment/   changes of training clips, on the device
"""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

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
    "Augmenter": "vidprep.load.augment.augmenter",
    "Batch": "vidprep.load.batch",
    "ClipLoader": "vidprep.load.clip_loader",
    "DictOutput": "vidprep.load.output",
    "LoaderOptions": "vidprep.load.options",
    "ShardDataset": "vidprep.load.shard_dataset",
    "ViewLoader": "vidprep.load.view_loader",
    "decode_clip": "vidprep.load.shard_dataset",
    "to_network_input": "vidprep.load.transforms",
}
__all__ = list(_MODULES)
# Worker processes need no torch (1 s and 200 MB each).
__getattr__, __dir__ = lazy_names(__name__, _MODULES)
