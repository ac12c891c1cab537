"""A fingerprint of what a video shows, which stays nearly the same if the video is encoded again or resized.

Three 64-bit difference hashes, of the first, the middle and the last frame: a frame is averaged down to
9 x 8 grey cells, and a bit says whether a cell is brighter than its right neighbour (the method is known as
"dHash", Krawetz 2013). Two encodings of one video differ in a few bits, two videos in about half of them.

Cells are averaged in integers, so that the same stored bytes have the same fingerprint on every processor.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av

GRID_WIDTH, GRID_HEIGHT = 9, 8
HASH_BYTES = 24
# Bits of 192. Re-encoded videos were seen to differ in 0 to 14 bits, unrelated ones in 60 and more.
SAME_CONTENT_BITS = 32
# Their first plane is brightness, a byte a pixel; other formats are converted first.
_LUMA_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray")

Grid = npt.NDArray[np.uint8]


class ContentWatcher:
    """Takes the fingerprint of a video while its frames are decoded in order; it uses three of them.

    Args:
        num_frames: Frames of the video, as far as is known before it is decoded.
    """

    def __init__(self, num_frames: int) -> None:
        self._wanted = sampled_frames(num_frames)
        self._grids: dict[int, Grid] = {}

    def see(self, number: int, frame: "av.VideoFrame") -> None:
        """Look at frame `number`, 0 for the first."""
        if number in self._wanted:
            self._grids[number] = average_cells(luma_of(frame))

    def content(self) -> bytes | None:
        """Return the fingerprint; None if one of the three frames never came."""
        if set(self._wanted) - self._grids.keys():
            return None
        return content_hash([self._grids[number] for number in self._wanted])


def sampled_frames(num_frames: int) -> tuple[int, int, int]:
    """Return the numbers of the frames that are hashed: the first, the middle one, the last."""
    return 0, num_frames // 2, max(0, num_frames - 1)


def luma_of(frame: "av.VideoFrame") -> npt.NDArray[np.uint8]:
    """Return the brightness of a frame, (height, width), upright."""
    if frame.format.name not in _LUMA_FIRST:
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
        : frame.height, : frame.width
    ]
    upright: npt.NDArray[np.uint8] = np.rot90(rows, frame.rotation // 90)
    return upright


def average_cells(luma: npt.NDArray[np.uint8]) -> Grid:
    """Return the mean brightness of each of 8 x 9 cells, rounded down.

    Cell (i, j) of a picture of height h and width w has the rows from `i * h // 8` to `(i + 1) * h // 8` and
    the columns from `j * w // 9` to `(j + 1) * w // 9`, ends excluded, but at least one row and one column.
    """
    height, width = luma.shape
    top, left = (np.arange(parts) * size // parts for parts, size in ((8, height), (9, width)))
    num_rows, num_columns = (
        np.maximum(np.diff(starts, append=size), 1) for starts, size in ((top, height), (left, width))
    )
    bands = zip(top, num_rows, strict=True)
    sums = np.stack([luma[start : start + number].sum(axis=0, dtype=np.uint32) for start, number in bands])
    cells = np.add.reduceat(sums, left, axis=1) // (num_rows[:, None] * num_columns)
    grid: Grid = cells.astype(np.uint8)
    return grid


def content_hash(grids: list[Grid]) -> bytes:
    """Return the fingerprint of a video.

    Args:
        grids: The three sampled frames, each averaged down to (8, 9) grey levels.

    Returns:
        24 bytes.
    """
    bits = [grid[:, :-1] > grid[:, 1:] for grid in grids]
    return np.packbits(np.stack(bits).reshape(-1)).tobytes()


def differing_bits(ours: npt.NDArray[np.bytes_], theirs: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """Return in how many of their 192 bits fingerprints differ, pair by pair.

    Args:
        ours: (N,) fingerprints.
        theirs: (N,) fingerprints to compare them with.
    """
    left, right = (
        np.frombuffer(b"".join(side.tolist()), np.uint8).reshape(-1, HASH_BYTES) for side in (ours, theirs)
    )
    counts: npt.NDArray[np.int64] = np.bitwise_count(left ^ right).sum(axis=1, dtype=np.int64)
    return counts
