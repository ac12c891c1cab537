"""Check the files that an extended set keeps for its earlier generations."""

from pathlib import Path

from vidprep.errors import ShardError
from vidprep.links import inside
from vidprep.shards.layout import INDEX, LEDGER, MANIFEST, PASSPORT, generation_file
from vidprep.shards.manifest import Manifest, file_sha256, read_manifest


def check_generations(shards_dir: Path, newest: Manifest) -> list[str]:
    """Check that the files of each generation exist, and are those that the history names.

    Returns:
        Problems as sentences; empty if fine, or if the set was never extended.
    """
    problems = []
    for after in newest.history:
        path = inside(shards_dir, generation_file(after.generation - 1, MANIFEST))
        if not path.is_file() or file_sha256(path) != after.fingerprint_before:
            problems.append(
                f"{_name(shards_dir, path)}: missing, or not the manifest that the history names. {_REMEDY}"
            )
    for generation in range(1, newest.generation + 1) if newest.history else ():
        problems += _check_generation(shards_dir, generation)
    pending = inside(shards_dir, generation_file(newest.generation + 1, MANIFEST))
    if pending.is_file():
        problems.append(
            f"An extension to generation {newest.generation + 1} was interrupted in its last step. Run it "
            f"again; until then, this is generation {newest.generation}."
        )
    return problems


_REMEDY = "Copy it again from where the set was copied; only --generation needs it."


def _check_generation(shards_dir: Path, generation: int) -> list[str]:
    try:
        manifest = read_manifest(shards_dir, generation)
    except ShardError as error:
        return [str(error)]
    problems = []
    hashes = {INDEX: manifest.index_sha256, LEDGER: manifest.ledger_sha256}
    hashes |= {PASSPORT: manifest.passport_sha256} if manifest.passport_sha256 else {}
    for name, sha256 in hashes.items():
        path = inside(shards_dir, generation_file(generation, name))
        if not path.is_file() or file_sha256(path) != sha256:
            problems.append(
                f"{_name(shards_dir, path)}: missing, or not the bytes that its manifest names. {_REMEDY}"
            )
    return problems


def _name(shards_dir: Path, path: Path) -> str:
    return path.relative_to(shards_dir).as_posix()
