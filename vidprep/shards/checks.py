"""Check a shard set against its manifest: every byte and, on request, every frame."""

import hashlib
import io
import json
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from vidprep.errors import ShardError
from vidprep.links import inside, link_problem
from vidprep.recipes.manifests import SPLITS, class_list_hash
from vidprep.shards.card import dataset_card, format_json, wids_index
from vidprep.shards.croissant import croissant_problems
from vidprep.shards.exports import class_names, sidecar_problems
from vidprep.shards.generation_checks import check_generations
from vidprep.shards.index import INDEX_SCHEMA, read_index
from vidprep.shards.layout import (
    CARD,
    CLASSES,
    INDEX,
    LEDGER,
    MANIFEST,
    MEMBERS,
    PASSPORT,
    SIDECAR_SUFFIXES,
    wids_name,
)
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import Manifest, ShardEntry, SplitTotals, file_sha256, read_manifest
from vidprep.shards.tar import FACTS
from vidprep.shards.third_party.checks import check_names, check_tar, frame_problems
from vidprep.shards.transfer.outline import is_url, local_outline
from vidprep.shards.transfer.store import Store
from vidprep.worker_pool import map_in_processes


@dataclass(frozen=True)
class ShardCheck:
    """One tar to check.

    Attributes:
        shards_dir: Folder of the set.
        entry: Its entry in the manifest.
        rows: Its rows of the index, in order.
        decode: Whether to decode every video.
        url: URL of the set, if it lies in a store; the tar is read from there.
    """

    shards_dir: Path
    entry: ShardEntry
    rows: list[dict[str, Any]]
    decode: bool
    url: str = ""


@dataclass(frozen=True)
class Verified:
    """What a check of a shard set found.

    Attributes:
        num_shards: Tars that were read.
        num_samples: Samples in them, as the manifest says.
        problems: Sentences that name each problem; empty if there is none.
        against: What the shards were compared with: "manifest", or, for third-party tars, "index".
    """

    num_shards: int
    num_samples: int
    problems: tuple[str, ...]
    against: Literal["manifest", "index"] = "manifest"


def verify(
    shards_dir: Path | str,
    *,
    decode: bool = False,
    num_workers: int | None = None,
    on_shard: Callable[[int, int], object] = lambda done, total: None,
) -> Verified:
    """Check a finished shard set against its manifest: sizes, hashes, members, counts.

    Third-party tars that `vidprep index` has indexed are checked against that index: whether all are there,
    and whether the videos have the same bytes.

        checked = vidprep.verify("shards/motion", decode=True)
        print(checked.problems)

    Args:
        shards_dir: Folder or URL of the set.
        decode: Also decode every video and count its frames.
        num_workers: Processes that read shards at the same time; None: one per core, 0: this one.
        on_shard: Called after each shard with how many are done, and how many there are.

    Raises:
        ShardError: If there is no manifest or no index to check against.
    """
    url = str(shards_dir) if is_url(shards_dir) else ""
    with local_outline(shards_dir, wanted=lambda name: not name.startswith(".")) as folder:
        return _verify(folder, url, decode, num_workers, on_shard)


def _verify(
    shards_dir: Path, url: str, decode: bool, num_workers: int | None, on_shard: Callable[[int, int], object]
) -> Verified:
    if is_third_party(shards_dir):
        if url:
            raise ShardError(
                f"{url} holds third-party tars, which can only be checked on a disk. Copy them to one."
            )
        return _verify_third_party(shards_dir, decode, num_workers, on_shard)
    shards = read_manifest(shards_dir).shards
    problems: list[str] = []
    for done, found in enumerate(find_problems(shards_dir, decode=decode, num_workers=num_workers, url=url)):
        problems += found
        on_shard(done, len(shards))  # the first problems are those of the files beside the shards
    return Verified(len(shards), sum(shard.num_samples for shard in shards), tuple(problems))


def is_third_party(shards_dir: Path) -> bool:
    """Tell whether a folder holds third-party tars with an index, which have no manifest and no ledger."""
    has = {name: (shards_dir / name).is_file() for name in (INDEX, MANIFEST, LEDGER)}
    return has[INDEX] and not has[MANIFEST] and not has[LEDGER]


def _verify_third_party(
    shards_dir: Path, decode: bool, num_workers: int | None, on_shard: Callable[[int, int], object]
) -> Verified:
    rows_of = _rows_by_shard(shards_dir)
    problems = check_names(shards_dir, set(rows_of))
    tasks = [(shards_dir, rows) for rows in rows_of.values()]
    check = partial(_check_third_party, decode=decode)
    parts = map(check, tasks) if num_workers == 0 else map_in_processes(check, tasks, num_workers)
    for done, found in enumerate(parts, start=1):
        problems += found
        on_shard(done, len(tasks))
    return Verified(len(tasks), sum(map(len, rows_of.values())), tuple(problems), "index")


def _check_third_party(task: tuple[Path, list[dict[str, Any]]], decode: bool) -> list[str]:
    return check_tar(*task, decode=decode)


def find_problems(
    shards_dir: Path, *, decode: bool = False, num_workers: int | None = None, url: str = ""
) -> Iterator[list[str]]:
    """Check a finished shard set, see `verify`.

    Yields:
        Problems as sentences: first those of the sidecars, then a list per shard, in order; empty if fine.

    Raises:
        ShardError: If there is no manifest or no index to check against.
    """
    manifest = read_manifest(shards_dir)
    rows_of = _rows_by_shard(shards_dir)
    others = [
        problem
        for entry in manifest.shards
        for problem in sidecar_problems(shards_dir, entry.name, rows_of.get(entry.name, []))
    ]
    yield [
        *check_sidecars(shards_dir, manifest),
        *others,
        *_check_names(shards_dir, manifest, rows_of),
        *check_generations(shards_dir, manifest),
    ]
    tasks = [
        ShardCheck(shards_dir, entry, rows_of.get(entry.name, []), decode, url) for entry in manifest.shards
    ]
    if num_workers == 0:
        yield from map(verify_shard, tasks)
        return
    yield from map_in_processes(verify_shard, tasks, num_workers)


def check_sidecars(shards_dir: Path, manifest: Manifest) -> list[str]:
    """Check class list, index, ledger, passport, the files for other readers, and the accounting."""
    hashes = {INDEX: manifest.index_sha256, LEDGER: manifest.ledger_sha256}
    hashes |= {PASSPORT: manifest.passport_sha256} if manifest.passport_sha256 else {}
    texts = {wids_name(split): format_json(wids_index(manifest, split)) for split in SPLITS}
    hashes |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    problems = []
    for name, sha256 in hashes.items():
        if problem := link_problem(shards_dir, name):
            problems.append(problem)
        elif not (shards_dir / name).is_file():
            problems.append(f"{name} is missing. Run the same build again.")
        elif file_sha256(shards_dir / name) != sha256:
            problems.append(f"{name}: not the bytes that follow from the manifest. Run the same build again.")
    problems += _check_card(shards_dir, manifest)
    problems += croissant_problems(shards_dir, manifest)
    if problem := link_problem(shards_dir, CLASSES):
        problems.append(problem)
    elif _read_classes(shards_dir) != manifest.classes_sha256:
        problems.append(f"{CLASSES}: not the class list that the manifest names. Run the same build again.")
    try:
        return problems + _check_accounting(shards_dir, manifest)
    except ShardError as error:
        return [*problems, str(error)]


def _check_card(shards_dir: Path, manifest: Manifest) -> list[str]:
    """Check the card: the one that a build writes, or the one of `vidprep export --for huggingface`."""
    if problem := link_problem(shards_dir, CARD):
        return [problem]
    if not (shards_dir / CARD).is_file():
        return [f"{CARD} is missing. Run the same build again."]
    card = (shards_dir / CARD).read_bytes()
    if card in (dataset_card(manifest).encode(), dataset_card(manifest, class_names(shards_dir)).encode()):
        return []
    return [f"{CARD}: not the bytes that follow from the manifest. Run the same build again."]


def _read_classes(shards_dir: Path) -> str:
    """Return the hash of the class names in classes.json, or "" if it holds none."""
    try:
        return class_list_hash([one["class"] for one in json.loads(inside(shards_dir, CLASSES).read_bytes())])
    except (ShardError, OSError, ValueError, TypeError, KeyError):
        return ""


def verify_shard(task: ShardCheck) -> list[str]:
    """Check one tar: size, hash, members against index, and on request every frame."""
    name, entry = task.entry.name, task.entry
    remedy = "Delete the shard and run the same build again; finished shards are kept."
    if problem := link_problem(task.shards_dir, name):
        return [problem]
    path = task.shards_dir / name
    if not path.is_file():
        return [f"{name} is missing. Run the same build again; finished shards are kept."]
    data = Store(task.url).read(name) if task.url else path.read_bytes()
    if len(data) != entry.size_bytes:
        return [f"{name}: {len(data):,} bytes, the manifest says {entry.size_bytes:,}. {remedy}"]
    problems = []
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        problems.append(f"{name}: not the bytes that the manifest names. {remedy}")
    if len(task.rows) != entry.num_samples:
        problems.append(f"{name}: {len(task.rows)} rows in {INDEX}, the manifest says {entry.num_samples}.")
    problems += _check_members(task, data)
    for row in task.rows:
        problems += [f"{name}: {row['key']}: {problem}." for problem in _check_sample(row, data, task.decode)]
    return problems


def _rows_by_shard(shards_dir: Path) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in read_index(shards_dir, checked=False).to_pylist():
        rows.setdefault(row["shard"], []).append(row)
    return rows


def _check_names(shards_dir: Path, manifest: Manifest, rows_of: dict[str, list[dict[str, Any]]]) -> list[str]:
    known = {entry.name for entry in manifest.shards}
    known |= {f"{name}{suffix}" for name in known for suffix in SIDECAR_SUFFIXES}
    found = {
        path.relative_to(shards_dir).as_posix() for split in SPLITS for path in (shards_dir / split).glob("*")
    }
    keys = [row["key"] for rows in rows_of.values() for row in rows]
    return [
        *(f"{name} is no shard of the manifest; readers would pick it up." for name in sorted(found - known)),
        *(f"{INDEX} names {name}, the manifest does not." for name in sorted(rows_of.keys() - known)),
        *(
            [f"{INDEX}: {len(keys) - len(set(keys))} keys stand twice."]
            if len(keys) != len(set(keys))
            else []
        ),
    ]


def _check_accounting(shards_dir: Path, manifest: Manifest) -> list[str]:
    """Count the ledger again: used + missing + rejected = annotated, and used = indexed."""
    ledger = read_ledger(shards_dir, checked=False).select(["split", "status", "key"]).to_pylist()
    used = {row["key"] for row in ledger if row["status"] == "used"}
    indexed = set(read_index(shards_dir, checked=False).column("key").to_pylist())
    problems = []
    for split, said in manifest.totals.items():
        counted = Counter(row["status"] for row in ledger if row["split"] == split)
        shards = [shard for shard in manifest.shards if shard.split == split]
        found = SplitTotals(
            annotated=counted.total(),
            used=counted["used"],
            missing=counted["missing"],
            rejected=counted["rejected"],
            num_shards=len(shards),
            size_bytes=sum(shard.size_bytes for shard in shards),
        )
        if found != said or found.used + found.missing + found.rejected != found.annotated:
            problems.append(
                f"{LEDGER} and the shards of {split} add up to {found!r}, the manifest says {said!r}."
            )
    if used != indexed:
        problems.append(f"{LEDGER} and {INDEX} differ in {len(used ^ indexed):,} used videos.")
    return problems


def _check_members(task: ShardCheck, data: bytes) -> list[str]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found = [(member.name, member.offset_data, member.size) for member in tar]
    except tarfile.TarError as error:
        return [f"{task.entry.name}: no readable tar: {error}."]
    expected = [
        (f"{row['key']}.{member}", row[f"{member}_offset"], row[f"{member}_size"])
        for row in task.rows
        for member in MEMBERS
    ]
    if found == expected:
        return []
    first = next((pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]), None)
    where = f"the first at {first[0][0]}" if first else f"{len(found)} members, {len(expected)} in {INDEX}"
    return [f"{task.entry.name}: members differ from {INDEX}, {where}."]


def _check_sample(row: dict[str, Any], data: bytes, decode: bool) -> Iterator[str]:
    members = {
        name: data[row[f"{name}_offset"] : row[f"{name}_offset"] + row[f"{name}_size"]] for name in MEMBERS
    }
    if members["cls"] != str(row["label"]).encode():
        yield f"the label member holds {members['cls'][:20]!r}, the index {row['label']}"
    if zlib.crc32(members["mp4"]) != row["mp4_crc32"]:
        yield "the video's checksum differs from the index"
    elif decode:
        yield from frame_problems(row["num_frames"], members["mp4"])
    yield from _check_facts(row, members["json"])


def _check_facts(row: dict[str, Any], text: bytes) -> Iterator[str]:
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    # Further labels of a sample stand in both, under the same names.
    wanted = FACTS | (row.keys() - set(INDEX_SCHEMA.names))
    if not isinstance(facts, dict) or facts.keys() != wanted:
        yield f"the facts member does not hold {', '.join(sorted(wanted))}"
        return
    for name in sorted(facts.keys() & row.keys()):
        if row[name] != facts[name]:
            yield f"{name} is {facts[name]!r} in the facts member, {row[name]!r} in the index"
