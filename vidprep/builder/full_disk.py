"""The error of a build when a disk is full."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vidprep.errors import BuildError
from vidprep.files import is_disk_full


@contextmanager
def full_disk_as_build_error(out_dir: Path) -> Iterator[None]:
    """Turn a full disk into a `BuildError` that says what to do about it."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        # One place for each disk. A build into a store fills the temporary folder's disk.
        places = {place.stat().st_dev: place for place in (out_dir, Path(tempfile.gettempdir()))}
        free = ", ".join(
            f"{shutil.disk_usage(place).free >> 20:,} MiB free in {place}" for place in places.values()
        )
        raise BuildError(
            f"No room left on the disk ({free}). The shard in hand is dropped, finished shards are kept: "
            "free some space and run the same build again."
        ) from error
