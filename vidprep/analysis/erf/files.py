"""Fields and unfinished sums of draws on disk, each with a hash of what it depends on, written atomically."""

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
    """Return the arrays of a file; None if it is missing, damaged, or has another identity.

    In each case the field is measured anew, so a damaged file needs no message.
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
    """Write arrays and the identity of what they depend on; a stop leaves the old file or the new one."""
    content = io.BytesIO()
    named: dict[str, Any] = {"identity": identity, **arrays}
    (np.savez_compressed if compress else np.savez)(content, **named)
    write_whole(path, content.getvalue())


class Kept:
    """Finished draws on disk: the sum of squared gradients, and the number of draws.

    Args:
        path: Path of the file.
        identity: Hash of what the draws depend on; a file with another one is ignored.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity

    def read(self, most: int) -> tuple[np.ndarray, int]:
        """Return sum and number of draws; zeros if there is no such file or it has more than `most`."""
        content = read_arrays(self.path, self.identity)
        if content and content["num_draws"] <= most:
            return content["squares"], int(content["num_draws"])
        return np.zeros(()), 0

    def write(self, squares: np.ndarray, num_draws: int) -> None:
        """Replace the file."""
        write_arrays(self.path, self.identity, squares=squares, num_draws=np.asarray(num_draws))

    def remove(self) -> None:
        """Delete the file; the measurement is complete."""
        self.path.unlink(missing_ok=True)
