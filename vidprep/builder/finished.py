"""Which shards are finished, and where their tars lie: staged, or under their final names.

Final names are numbered without gaps, so they are known only when every shard is finished; then they are
written to `places.json` before the first tar moves. A rebuild of one shard may change the numbers of others:
before it begins, all tars are taken back to where their numbers are those of the plan.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vidprep.builder.plan import PlanFacts
from vidprep.builder.workspace import done_path, places_path, staging_path
from vidprep.errors import BuildError
from vidprep.files import write_whole
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.toml_models import Frozen
from vidprep.shards.layout import is_shard_name, shard_name


class Rejected(Frozen):
    """A video that was found to be unusable while its shard was built."""

    key: str
    reason: str
    detail: str


class DoneShard(Frozen):
    """What a finished shard holds; written when its tar is on the disk.

    Attributes:
        shard: Its number in the plan.
        rows: Index rows without the shard's name; empty, and no tar, if every video was rejected.
        details: For the ledger, by key: what FFmpeg said of the source of each used video.
        size_bytes: Of the tar.
        sha256: Of the tar.
        md5: Of the tar.
    """

    shard: int
    split: str
    rows: tuple[dict[str, Any], ...]
    details: dict[str, str]
    rejected: tuple[Rejected, ...]
    size_bytes: int
    sha256: str
    md5: str


def read_done(out_dir: Path, facts: PlanFacts) -> dict[int, DoneShard]:
    """Read the shards that are finished and whose tars are there, by their numbers in the plan.

    A tar of another size than its done-file says does not count: it will be built again.
    """
    places = _read_places(out_dir)
    done = {}
    for number in range(len(facts.shard_sizes)):
        if done_path(out_dir, number).is_file():
            shard = _read_done_file(done_path(out_dir, number))
            candidates = [staging_path(out_dir, number)]
            candidates += [out_dir / places[number]] if number in places else []
            if not shard.rows or any(_has_size(path, shard.size_bytes) for path in candidates):
                done[number] = shard
    return done


def final_names(facts: PlanFacts, done: dict[int, DoneShard]) -> dict[int, str]:
    """Return the final name of each shard that is not empty: numbers without gaps, per split."""
    counts: dict[str, int] = {}
    names = {}
    for number in sorted(done):
        split = done[number].split
        if done[number].rows:
            names[number] = shard_name(facts.recipe.name, split, counts.get(split, 0))
            counts[split] = counts.get(split, 0) + 1
    return names


def move_into_place(out_dir: Path, names: dict[int, str]) -> None:
    """Give the staged tars their final names; those that have them already stay."""
    write_whole(places_path(out_dir), json.dumps(names).encode())
    for number, name in names.items():
        (out_dir / name).parent.mkdir(exist_ok=True)
        if staging_path(out_dir, number).exists():
            staging_path(out_dir, number).replace(out_dir / name)


def take_back(out_dir: Path) -> None:
    """Undo `move_into_place`, and delete what lies there without being finished."""
    for number, name in _read_places(out_dir).items():
        path = out_dir / name
        if path.exists() and done_path(out_dir, number).exists():
            staging_path(out_dir, number).parent.mkdir(exist_ok=True)
            path.replace(staging_path(out_dir, number))
        path.unlink(missing_ok=True)
    places_path(out_dir).unlink(missing_ok=True)


def _read_places(out_dir: Path) -> dict[int, str]:
    if not places_path(out_dir).is_file():
        return {}
    path = places_path(out_dir)
    try:
        places = {int(number): str(name) for number, name in json.loads(path.read_bytes()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise BuildError(
            f"{path} is damaged ({error}). Delete it and run the same build again: shards that have their "
            "final names already are built again."
        ) from error
    for name in places.values():
        if not is_shard_name(name) or name.split("/")[0] not in SPLITS:
            raise BuildError(
                f"{path} names {name!r}, which is no shard of this set: nothing outside of {out_dir} is "
                "moved or deleted. Build into a new folder."
            )
    return places


def _read_done_file(path: Path) -> DoneShard:
    try:
        return DoneShard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BuildError(f"{path} is damaged. Delete it and run the same build again.") from error


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes
