"""`pull`: copy a shard set from an object store to a disk."""

from pathlib import Path

from vidprep.errors import ShardError
from vidprep.files import is_disk_full, replace_durably, write_whole
from vidprep.links import inside
from vidprep.shards.layout import MANIFEST
from vidprep.shards.manifest import parse_manifest
from vidprep.shards.transfer.push import OnFile, Transfer, check_is_named, checksums_of, in_order
from vidprep.shards.transfer.store import Store, StoredObject, digest_parts, parts_of


def pull(url: str, out_dir: Path | str, *, on_file: OnFile = lambda finished, total, name: None) -> Transfer:
    """Copy a shard set from an object store; files that exist with the same bytes are not copied.

    Every file that the manifest names is checked; the manifest comes last. The same call resumes a stopped
    one.

        vidprep.pull("memory://bucket/motion", "shards/copy")

    Args:
        url: The shard set, e.g. "s3://bucket/k400"; credentials come from the environment.
        out_dir: The folder to copy it to; made if it is missing.
        on_file: Called after each file with the number of files done, their total, and the file's name.

    Raises:
        ShardError: If there is no set, a file of it is missing or damaged, the folder holds something else,
            the disk is full, or the store does not answer.
    """
    out, store = Path(out_dir), Store(url)
    there = store.listing()
    if MANIFEST not in there:
        raise ShardError(f"No shard set at {url}: {MANIFEST} is missing. Only whole sets are copied.")
    data = store.read(MANIFEST)
    manifest = parse_manifest(data, origin=f"{store.url}/{MANIFEST}")
    names = in_order(name for name in there if name != MANIFEST and not name.startswith("."))
    _check_is_ours(out, [*names, MANIFEST])
    lacking = sorted(checksums_of(manifest).keys() - there.keys())
    if lacking:
        raise ShardError(f"{store.url}/{lacking[0]} is missing, which the manifest names. Copy the set anew.")
    copied, size = 0, 0
    for number, name in enumerate(names, start=1):
        if not _is_here(out / name, name, there[name], checksums_of(manifest)):
            partial_path = (out / name).with_name(f"{Path(name).name}.partial")
            partial_path.parent.mkdir(parents=True, exist_ok=True)
            try:
                digests = store.fetch(name, partial_path)
                check_is_named(name, digests, manifest, f"{store.url}/{name}")
                replace_durably(partial_path, out / name)
            except OSError as error:
                if is_disk_full(error):
                    raise ShardError(
                        f"No room left on the disk for {out / name} ({there[name].size_bytes:,} bytes). "
                        "What is finished is kept: free some space and run the same command again."
                    ) from error
                raise
            finally:
                partial_path.unlink(missing_ok=True)
            copied, size = copied + 1, size + digests.size_bytes
        on_file(number, len(names) + 1, name)
    if not (out / MANIFEST).is_file() or (out / MANIFEST).read_bytes() != data:
        write_whole(out / MANIFEST, data)
        copied, size = copied + 1, size + len(data)
    on_file(len(names) + 1, len(names) + 1, MANIFEST)
    return Transfer(copied, len(names) + 1 - copied, size)


def _check_is_ours(out: Path, names: list[str]) -> None:
    """Refuse a folder with other things, and names that would lead out of it."""
    for name in names:
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ShardError(
                f"{name!r} is not the name of a file in a shard set: it would lie outside of {out}."
            )
        inside(out, name)
    tops = {name.split("/")[0] for name in names}
    for path in sorted(out.iterdir()) if out.is_dir() else []:
        if path.name.removesuffix(".partial") not in tops:
            raise ShardError(
                f"{out} holds something else ({path.name!r}), which is no part of the set. "
                "Choose a new folder."
            )


def _is_here(path: Path, name: str, there: StoredObject, checksums: dict[str, str]) -> bool:
    if not path.is_file() or path.stat().st_size != there.size_bytes:
        return False
    digests = digest_parts(parts_of(path))
    if name in checksums:
        return digests.sha256 == checksums[name]
    return digests.md5 == there.md5
