"""The passport of indexed third-party tars, of which nothing but their contents is known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vidprep.errors import ShardError
from vidprep.recipes.dataset_file import AnnotationList, DatasetManifest
from vidprep.recipes.own_videos import recipe_of
from vidprep.shards.manifest import SplitTotals
from vidprep.shards.passports.passport import Passport, make_passport
from vidprep.shards.shard_set import ShardSet

# For the recipe that a passport has to have: it says that there is none.
_DATASET = DatasetManifest(
    name="third_party",
    title="Third-party tars",
    source="tars that others wrote",
    lists=(AnnotationList(file=".*", form="folders"),),
)


def third_party_passport(shards: ShardSet, contents: Mapping[str, bytes]) -> Passport:
    """Make the passport of tars that have an index, but neither manifest nor ledger.

    Args:
        shards: The tars.
        contents: Fingerprints by key, as far as they are known.

    Raises:
        ShardError: If a sample has no label.
    """
    index = shards.index.to_pandas()
    if (index["label"] < 0).any():
        key = index["key"][(index["label"] < 0).to_numpy().argmax()]
        raise ShardError(
            f"{shards.root}: {key} has no label, and a passport says which class each video is of. Put it "
            "into the `cls` member of each sample, or `label` into its `json`, and run "
            f"`vidprep index {shards.root}` again."
        )
    rows = index[["split", "video_id", "label", "num_frames"]].copy()
    rows["status"], rows["reason"] = "used", ""
    rows["num_frames"] = rows["num_frames"].astype(np.int32)
    rows["mp4_crc32"] = pd.array(index["mp4_crc32"].to_numpy(np.uint32), pd.UInt32Dtype())
    rows["content"] = [contents.get(key) for key in index["key"]]
    return make_passport(
        shards.root,
        rows,
        recipe=recipe_of(_DATASET),
        classes=_classes(index),
        tools={},
        totals={str(split): _totals(part) for split, part in index.groupby("split")},
        expected={},
    )


def _classes(index: pd.DataFrame) -> tuple[str, ...]:
    """Return the class names in label order; a label that no sample has is named after its number."""
    names = dict(zip(index["label"].tolist(), index["class"].tolist(), strict=True))
    return tuple(names.get(label) or str(label) for label in range(max(names, default=-1) + 1))


def _totals(part: pd.DataFrame) -> SplitTotals:
    return SplitTotals(
        annotated=len(part),
        used=len(part),
        missing=0,
        rejected=0,
        num_shards=part["shard"].nunique(),
        size_bytes=int(part["mp4_size"].sum()),
    )
