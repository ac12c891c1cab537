"""Links that lead out of a folder: the rule for which files are part of a shard set.

A set may come from anybody, and what it names is read, copied and published. So a file is part of it only if
it lies below the set's own folder after all links; the folder itself may be reached by links. One exception:
the cache of the Hugging Face Hub, `<repository>/snapshots/<revision>/train/a.tar`, whose files are links to
`<repository>/blobs/<hash>`.
"""

import os
import re
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from vidprep.errors import ShardError

_SNAPSHOTS, _BLOBS = "snapshots", "blobs"  # of huggingface_hub's cache
_REVISION = re.compile(r"[0-9a-f]{40}")
_LOCAL_URL = re.compile(r"(file|local):/")


def inside(root: Path | str, name: str) -> Path:
    """Return the path of a file of a folder; no link on its way may lead out of the folder.

    Args:
        root: The folder; links to it are followed.
        name: Path of the file, below the folder.

    Raises:
        ShardError: If a link leads out; the message names it, its target and what to do.
    """
    if problem := link_problem(root, name):
        raise ShardError(problem)
    return Path(root, name)


def link_problem(root: Path | str, name: str) -> str | None:
    """Return a message if a link leads out of the folder on the way to a file, else None; see `inside`."""
    real_root = Path(os.path.realpath(root))
    target = Path(os.path.realpath(Path(root, name)))
    if target.is_relative_to(real_root):
        # Even within the folder, a link may only lead to a file of the same kind, e.g. from a tar to a tar.
        if target.suffix == Path(name).suffix:
            return None
        kind = Path(name).suffix
        return f"{Path(root, name)} is a link to {target}, which is no {kind} file. Copy the set again."
    if _is_in_hub_cache(target, real_root):
        return None
    link = _first_link_out(Path(root), name, real_root)
    way = f"is a link to {os.path.realpath(link)}" if link else f"lies at {target}"
    return (
        f"{link or Path(root, name)} {way}, outside of {root}: only what lies below a folder is read as a "
        "part of it. Copy it to its place instead of the link, or open the folder that it lies in."
    )


def plain_root(root: Path | str) -> str:
    """Return a folder as a path, even if it is given as a `file://` URL; other URLs stay as they are."""
    text = str(root)
    if _LOCAL_URL.match(text):
        text = str(LocalFileSystem._strip_protocol(text))
    return text.rstrip("/") or "/"


def open_store(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system behind a URL, and the path in it.

    Raises:
        ShardError: If the URL is another way to name local files, which would bypass the rule for links.
    """
    filesystem, path = url_to_fs(url)
    behind = filesystem
    while inner := getattr(behind, "fs", None):
        behind = inner
    if behind is not filesystem and isinstance(behind, LocalFileSystem):
        raise ShardError(f"{url} is a folder of this machine behind another protocol. Give its path.")
    return filesystem, path


def _is_in_hub_cache(target: Path, real_root: Path) -> bool:
    """Tell whether a file is a blob of the repository that the folder is a snapshot of, or part of one."""
    for folder in (real_root, *real_root.parents):
        if folder.parent.name == _SNAPSHOTS and _REVISION.fullmatch(folder.name):
            return target.parent == folder.parent.parent / _BLOBS
    return False


def _first_link_out(root: Path, name: str, real_root: Path) -> Path | None:
    path = root
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real_root):
            return path
    return None
