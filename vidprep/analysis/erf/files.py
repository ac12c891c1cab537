"""Fields and unfinished sums of draws on disk: each with what it depends on, each whole or not there."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from vidprep.files import write_whole

# What NumPy raises for an archive that is empty, cut short, or none at all.
_DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, identity: str) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file; None if there is none, it is about something else, or it is damaged.

    All of these are measured anew, so a damaged file needs no message.
    """
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
            if str(content["identity"]) != identity:
                return None
            return {name: content[name] for name in content.files}
    except _DAMAGED:
        return None


def write_arrays(path: Path, identity: str, *, compress: bool = False, **arrays: np.ndarray) -> None:
    """Write arrays and what they depend on; a stop leaves the old file or the new one."""
    content = io.BytesIO()
    named: dict[str, Any] = {"identity": identity, **arrays}
    (np.savez_compressed if compress else np.savez)(content, **named)
    write_whole(path, content.getvalue())


class Kept:
    """Finished draws on disk: the sum of squared gradients, and how many they are.

    Args:
        path: Path of the file.
        identity: What the draws depend on; draws of anything else are not taken up.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity

    def read(self, most: int) -> tuple[np.ndarray, int]:
        """Return sum and number; zeros if there is nothing that fits, or more draws than `most`."""
        content = read_arrays(self.path, self.identity)
        if content and content["num_draws"] <= most:
            return content["squares"], int(content["num_draws"])
        return np.zeros(()), 0

    def write(self, squares: np.ndarray, num_draws: int) -> None:
        """Replace what was kept."""
        write_arrays(self.path, self.identity, squares=squares, num_draws=np.asarray(num_draws))

    def remove(self) -> None:
        """Delete the file; the measurement is complete."""
        self.path.unlink(missing_ok=True)
