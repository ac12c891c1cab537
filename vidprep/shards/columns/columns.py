"""The columns of an index that a loader needs, as numpy arrays, which can be sliced without a copy."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vidprep.shards.stored_video import StoredVideo

Array = npt.NDArray[Any]

NUMBERS = ("label", "num_frames", "width", "height", "fps", "mp4_offset", "mp4_size", "mp4_crc32")
NAMES = ("split", "shard")  # few different ones: each is kept once, and a number for each row
NEEDED = ("key", *NAMES, *NUMBERS)
_STORED = ("mp4_offset", "mp4_size", "mp4_crc32", "num_frames", "width", "height")
_AT_ONCE = 1 << 20  # rows, so that a look at all of them needs little memory


@dataclass(frozen=True)
class Columns:
    """Columns of the index, one value per sample, ordered by split and shard.

    Attributes:
        arrays: Arrays by column: those in `NUMBERS`; `split` and `shard`, as positions in `names`;
            `key_ends`, where in `key_text` the key of each row begins (and, as one more element, where the
            last one ends). Types may be just wide enough for the greatest number: convert before a sum.
        key_text: All keys, concatenated, UTF-8.
        names: The names of the splits and of the shards, by column.
    """

    arrays: dict[str, Array]
    key_text: Array
    names: dict[str, tuple[str, ...]]

    @classmethod
    def of_table(cls, table: pa.Table) -> Self:
        """Take the columns from an index; numbers are not copied if the table is in one piece.

        Raises:
            ValueError: If the name of a split or shard is not valid UTF-8.
        """
        arrays = {name: _numbers(_one_piece(table[name])) for name in NUMBERS}
        names = {}
        for name in NAMES:
            column = table[name]
            if not pa.types.is_dictionary(column.type):
                column = column.dictionary_encode()
            coded = _one_piece(column.unify_dictionaries())
            arrays[name], names[name] = _numbers(coded.indices), tuple(coded.dictionary.to_pylist())
        keys = _one_piece(table["key"])
        _, ends, text = keys.buffers()
        arrays["key_ends"] = np.frombuffer(ends or bytes(4), np.int32)[
            keys.offset : keys.offset + len(keys) + 1
        ]
        return cls(arrays, np.frombuffer(text or b"", np.uint8), names)

    def __len__(self) -> int:
        return len(self.arrays["split"])

    def key(self, row: int) -> str:
        """Return the key of a row."""
        start, stop = self.arrays["key_ends"][row : row + 2]
        return self.key_text[start:stop].tobytes().decode()

    def video(self, row: int) -> StoredVideo:
        """Return where the video of a row is stored."""
        shard = self.names["shard"][self.arrays["shard"][row]]
        return StoredVideo(self.key(row), shard, *(int(column[row]) for column in self._stored))

    @cached_property
    def _stored(self) -> list[Array]:
        return [self.arrays[name] for name in _STORED]

    def first_key(self, shard: str) -> str:
        """Return the key of a shard's first sample; of a shard without any, "none"."""
        if shard not in self.names["shard"]:
            return "none"
        return self.key(int(np.argmax(self.arrays["shard"] == self.names["shard"].index(shard))))

    def span(self, start: int, stop: int) -> Self:
        """Return the rows from `start` to `stop - 1`, in the same memory."""
        cut = {name: array[start : stop + (name == "key_ends")] for name, array in self.arrays.items()}
        return replace(self, arrays=cut)

    def spans(self) -> Iterator[Self]:
        """Yield all rows, in parts of about a million."""
        for start in range(0, len(self), _AT_ONCE):
            yield self.span(start, min(start + _AT_ONCE, len(self)))

    def span_of_split(self, split: str) -> tuple[int, int]:
        """Return the first row of a split, and the row after its last.

        Raises:
            ValueError: If there is none, or rows of another split lie between them.
        """
        code = self.names["split"].index(split)
        edges = np.flatnonzero(np.diff(self.arrays["split"] == code)) + 1
        bounds = [0, *edges.tolist(), len(self)]
        found = [
            (start, stop)
            for start, stop in pairwise(bounds)
            if start < stop and self.arrays["split"][start] == code
        ]
        if len(found) != 1:
            raise ValueError(f"the rows of {split} lie in {len(found)} places")
        return found[0]

    def runs_of_shards(self) -> list[int]:
        """Return the number of adjacent rows of each shard, in the order of the rows."""
        codes = self.arrays["shard"]
        starts = np.flatnonzero(np.diff(codes)) + 1
        bounds = np.concatenate(([0], starts, [len(codes)])) if len(codes) else np.zeros(1, np.int64)
        sizes: list[int] = np.diff(bounds).tolist()
        return sizes

    def frame_sizes(self) -> list[tuple[int, int]]:
        """Return each (width, height) that occurs, in ascending order."""
        found: set[int] = set()
        for part in self.spans():
            pairs = (part.arrays["width"].astype(np.int64) << 32) | part.arrays["height"]
            found |= set(np.unique(pairs).tolist())
        return [(pair >> 32, pair & 0xFFFFFFFF) for pair in sorted(found)]

    def counts_of_splits(self) -> dict[str, int]:
        """Return how many rows each split has."""
        counts = np.zeros(len(self.names["split"]), np.int64)
        for part in self.spans():
            counts += np.bincount(part.arrays["split"], minlength=len(counts))
        return dict(zip(self.names["split"], counts.tolist(), strict=True))

    def ends_of_shards(self) -> dict[str, int]:
        """Return the byte after the last video of each shard, as the rows say."""
        ends = np.zeros(len(self.names["shard"]), np.int64)
        for part in self.spans():
            last = part.arrays["mp4_offset"].astype(np.int64) + part.arrays["mp4_size"]
            np.maximum.at(ends, part.arrays["shard"], last)
        return dict(zip(self.names["shard"], ends.tolist(), strict=True))


def _one_piece(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(whole, pa.ChunkedArray):  # it has no rows
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    return whole


def _numbers(column: pa.Array) -> Array:
    return np.from_dlpack(column)  # to_numpy() would import pandas: half a second
