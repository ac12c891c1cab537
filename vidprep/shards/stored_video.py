"""Where one video of a shard set lies; apart from the index, so that workers need no pyarrow."""

from typing import NamedTuple


class StoredVideo(NamedTuple):
    """One video: where its bytes are and what they hold."""

    key: str
    shard: str
    offset: int
    size: int
    crc32: int
    num_frames: int
    width: int
    height: int
