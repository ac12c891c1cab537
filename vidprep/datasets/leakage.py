"""Videos that two datasets have in common: they cannot test a network that was trained on them."""

import re

import pandas as pd

_CLIP = re.compile(r"(.+)_(\d{6})_(\d{6})")
COLUMNS = ("split", "video_id", "class", "other_split", "other_id", "other_class", "overlap_seconds")


def shared_videos(rows: pd.DataFrame, other_rows: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of samples of two datasets that show the same, one of them in a validation split.

    Two clips `<id>_<start>_<end>` show the same if their ids are equal and their times overlap; other
    samples do if their ids are equal.

    Args:
        rows: Rows of an inventory; needs split, video_id and class.
        other_rows: Rows of the other dataset's inventory.

    Returns:
        A table of `COLUMNS`, by split and id; the overlap is 0.0 where ids tell no times.
    """
    ours, theirs = _with_times(rows), _with_times(other_rows)
    renamed = {"split": "other_split", "video_id": "other_id", "class": "other_class"}
    theirs = theirs.rename(columns=renamed | {"start": "other_start", "end": "other_end"})
    pairs = ours.merge(theirs, on="source")
    pairs = pairs[(pairs["split"] == "validation") | (pairs["other_split"] == "validation")]
    first = pairs[["start", "other_start"]].max(axis=1)
    overlap = (pairs[["end", "other_end"]].min(axis=1) - first).astype("float64")
    timeless = (pairs["start"] < 0) & (pairs["other_start"] < 0)
    pairs = pairs.assign(overlap_seconds=overlap.where(~timeless, 0.0))[(overlap > 0) | timeless]
    return pairs.sort_values(["split", "video_id", "other_id"], ignore_index=True)[list(COLUMNS)]


def _with_times(rows: pd.DataFrame) -> pd.DataFrame:
    table = rows[["split", "video_id", "class"]].drop_duplicates()
    found = [_CLIP.fullmatch(video_id) for video_id in table["video_id"]]
    return table.assign(
        source=[
            clip[1] if clip else video_id for clip, video_id in zip(found, table["video_id"], strict=True)
        ],
        start=[int(clip[2]) if clip else -1 for clip in found],
        end=[int(clip[3]) if clip else -1 for clip in found],
    )
