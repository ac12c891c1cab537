"""Where an extension of a finished set is built: a folder of its own, laid out like that of a build.

generation-0002/              what the second generation adds
generation-0002/begun.json    when it was begun, for the history
"""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from vidprep.builder.workspace.paths import BUILD_DIR
from vidprep.errors import BuildError
from vidprep.files import write_whole


def extension_dir(out_dir: Path, generation: int) -> Path:
    """Return the folder in which the shards of a generation are built."""
    return out_dir / BUILD_DIR / f"generation-{generation:04d}"


def extension_dirs(out_dir: Path) -> list[Path]:
    """Return the folders of all extensions, of one that is under way, too."""
    return sorted((out_dir / BUILD_DIR).glob("generation-????"))


def begin_extension(folder: Path) -> str:
    """Return when an extension was begun, and write it down the first time.

    The date is the one of $SOURCE_DATE_EPOCH where that is set, as reproducible-builds.org describes it.

    Raises:
        BuildError: If what was written down is damaged.
    """
    path = folder / "begun.json"
    if path.is_file():
        try:
            return datetime.fromisoformat(json.loads(path.read_bytes())["date"]).isoformat()
        except (ValueError, TypeError, KeyError) as error:
            raise BuildError(
                f"{path} is damaged ({error}). Delete it and run the same command again."
            ) from error
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    date = now.isoformat(timespec="seconds")
    write_whole(path, json.dumps({"date": date}).encode())
    return date


def drop_extension(folder: Path) -> None:
    """Delete an extension that changed nothing."""
    shutil.rmtree(folder, ignore_errors=True)
