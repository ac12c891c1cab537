"""Which shards are finished, and where their tars lie: staged, or under their final names.

Final names are numbered without gaps, so they are known only when every shard is finished; then they are
written to `places.json` before the first tar moves. A rebuild of one shard may change the numbers of others:
before it begins, all tars are taken back to where their numbers are those of the plan.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydantic import Field, NonNegativeInt, ValidationError, model_validator

from vidprep.builder.plan import PlanFacts
from vidprep.builder.workspace.paths import done_path, places_path, staging_path
from vidprep.errors import BuildError
from vidprep.files import replace_durably, write_whole
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.toml_models import Frozen
from vidprep.shards.layout import is_shard_name, shard_name
from vidprep.shards.ledger import REASONS, SUSPICIONS


class Rejected(Frozen):
    """A video that was found to be unusable while its shard was built."""

    key: str
    reason: str
    detail: str
    source_sha256: str = ""

    @model_validator(mode="after")
    def _has_a_known_reason(self) -> Self:
        if self.reason not in REASONS:
            raise ValueError(f"{self.reason!r} is not a reason of a rejection")
        return self


class DoneShard(Frozen):
    """What a finished shard holds; written when its tar is on the disk.

    Attributes:
        shard: Its number in the plan.
        rows: Index rows without the shard's name; empty, and no tar, if every video was rejected.
        details: For the ledger, by key: what FFmpeg said of the source of each used video.
        sources: For the ledger, by key: the sha256 of the raw file of each used video.
        suspects: For the ledger, by key: the word of `SUSPICIONS` of each used video that looks damaged.
        contents: For the passport, by key: fingerprints of used videos in hexadecimal digits, where known.
        size_bytes: Size of the tar.
        sha256: sha256 of the tar.
        md5: md5 of the tar.
        facts_sha256: sha256 of all other fields as JSON, to check them; "" in files of release 0.1.
    """

    shard: NonNegativeInt
    split: str
    rows: tuple[dict[str, Any], ...]
    details: dict[str, str]
    sources: dict[str, str] = Field(default_factory=dict)
    suspects: dict[str, str] = Field(default_factory=dict)
    contents: dict[str, str] = Field(default_factory=dict)
    rejected: tuple[Rejected, ...]
    size_bytes: NonNegativeInt
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")
    facts_sha256: str = ""

    def sha256_of_facts(self) -> str:
        """Return what `facts_sha256` has to be."""
        return hashlib.sha256(self.model_dump_json(exclude={"facts_sha256"}).encode()).hexdigest()

    def signed(self) -> Self:
        """Return a copy with `facts_sha256` filled in."""
        return self.model_copy(update={"facts_sha256": self.sha256_of_facts()})

    @model_validator(mode="after")
    def _is_about_its_own_videos(self) -> Self:
        if self.split not in SPLITS:
            raise ValueError(f"{self.split!r} is no split")
        keys = {row.get("key") for row in self.rows}
        for facts in (self.details, self.sources, self.suspects, self.contents):
            if other := facts.keys() - keys:
                raise ValueError(f"{sorted(other)[0]!r} is none of its videos")
        if unknown := set(self.suspects.values()) - SUSPICIONS.keys():
            raise ValueError(f"{sorted(unknown)[0]!r} is no suspicion")
        return self


def new_partial_path(out_dir: Path, shard: int) -> Path:
    """Return a path at which a tar may be written until it is whole.

    Each attempt gets a new one: a worker that was given up may still be writing.
    """
    path = staging_path(out_dir, shard).with_suffix(f".{uuid.uuid4().hex[:8]}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_done(out_dir: Path, done: DoneShard, partial_path: Path) -> None:
    """Stage a complete tar, then write its done-file; a shard without a single sample has no tar."""
    if done.rows:
        replace_durably(partial_path, staging_path(out_dir, done.shard))
    write_whole(done_path(out_dir, done.shard), done.signed().model_dump_json().encode())


def is_done(out_dir: Path, shard: int) -> bool:
    """Tell whether a shard was finished."""
    return done_path(out_dir, shard).is_file()


def read_done(out_dir: Path, facts: PlanFacts) -> dict[int, DoneShard]:
    """Read the shards that are finished and whose tars are there, by their numbers in the plan.

    A tar of another size than its done-file says does not count: it will be built again.
    """
    places = read_places(out_dir)
    done = {}
    for number in range(len(facts.shard_sizes)):
        if done_path(out_dir, number).is_file():
            shard = _read_done_file(done_path(out_dir, number))
            candidates = [staging_path(out_dir, number)]
            candidates += [out_dir / places[number]] if number in places else []
            if not shard.rows or any(_has_size(path, shard.size_bytes) for path in candidates):
                done[number] = shard
    return done


def final_names(
    facts: PlanFacts, done: dict[int, DoneShard], *, num_before: Mapping[str, int] = MappingProxyType({})
) -> dict[int, str]:
    """Return the final name of each shard that is not empty, numbered without gaps in each split.

    Args:
        facts: Facts of the plan.
        done: What each finished shard holds, by its number in the plan.
        num_before: Shards of each split that the set has already.
    """
    counts = dict(num_before)
    names = {}
    for number in sorted(done):
        split = done[number].split
        if done[number].rows:
            names[number] = shard_name(facts.recipe.name, split, counts.get(split, 0))
            counts[split] = counts.get(split, 0) + 1
    return names


def write_places(out_dir: Path, names: dict[int, str]) -> None:
    """Write down the final names before the first tar moves."""
    write_whole(places_path(out_dir), json.dumps(names).encode())


def move_into_place(out_dir: Path, root: Path, numbers: Iterable[int] | None = None) -> None:
    """Give the staged tars their final names; those that have them already stay.

    Args:
        out_dir: Where they were built.
        root: The shard set.
        numbers: Numbers of the tars to move; None: all.
    """
    for number, name in read_places(out_dir).items():
        if (numbers is None or number in numbers) and staging_path(out_dir, number).exists():
            (root / name).parent.mkdir(exist_ok=True)
            staging_path(out_dir, number).replace(root / name)


def take_back(out_dir: Path) -> None:
    """Undo `move_into_place`, and delete what lies there without being finished."""
    for number, name in read_places(out_dir).items():
        path = out_dir / name
        if path.exists() and done_path(out_dir, number).exists():
            staging_path(out_dir, number).parent.mkdir(exist_ok=True)
            path.replace(staging_path(out_dir, number))
        path.unlink(missing_ok=True)
    places_path(out_dir).unlink(missing_ok=True)


def read_places(out_dir: Path) -> dict[int, str]:
    """Read the final names by number in the plan; none, as long as there are shards to be built.

    Raises:
        BuildError: If the file is damaged, or names what is no shard.
    """
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


def read_done_shard(out_dir: Path, shard: int) -> DoneShard:
    """Read what a finished shard holds."""
    return _read_done_file(done_path(out_dir, shard))


def _read_done_file(path: Path) -> DoneShard:
    try:
        done = DoneShard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise BuildError(f"{path} is damaged ({problem}). Delete it and run the same build again.") from error
    is_its_own = done_path(path.parents[2], done.shard) == path
    if not is_its_own or done.facts_sha256 not in ("", done.sha256_of_facts()):
        problem = "its checksum is that of other facts" if is_its_own else f"it is of shard {done.shard}"
        raise BuildError(f"{path} is damaged ({problem}). Delete it and run the same build again.")
    return done


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes
