"""The last step of an extension: the next generation beside the old one, then in its place.

Everything is written to `generations/000N/` first, its manifest last; after that, files are only moved or
copied, which can be repeated after a crash. Tars and files go into the set first, then the set's own
manifest: the one step that readers see. A reader that has read the old manifest still finds the old index and
ledger, in the folder of the old generation.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

import vidprep
from vidprep.builder.finalise import (
    check_sums,
    contents_of,
    count_totals,
    index_rows,
    ledger_rows,
    shard_entry,
    write_for_others,
    write_via,
)
from vidprep.builder.plan import Plan
from vidprep.builder.workspace.extensions import extension_dir
from vidprep.builder.workspace.finished import DoneShard, final_names, move_into_place, write_places
from vidprep.errors import BuildError
from vidprep.files import write_whole
from vidprep.recipes.manifests import SPLITS
from vidprep.shards.index import read_index, write_index
from vidprep.shards.layout import INDEX, LEDGER, MANIFEST, PASSPORT, generation_file
from vidprep.shards.ledger import LEDGER_SCHEMA, read_ledger, write_ledger
from vidprep.shards.manifest import (
    Extension,
    Manifest,
    ShardEntry,
    file_sha256,
    format_manifest,
    parse_manifest,
    read_manifest,
)
from vidprep.shards.passports.making import known_contents, write_set_passport
from vidprep.shards.shard_set import ShardSet

_ROW = ["split", "video_id"]
_NEWS = ["status", "reason"]


def write_generation(
    root: Path,
    folder: Path,
    plan: Plan,
    done: dict[int, DoneShard],
    *,
    date: str,
    reasons_before: Sequence[str],
) -> bool:
    """Write down the next generation of a set, without touching what readers see.

    Args:
        root: Folder of the set.
        folder: Where the new shards were built.
        plan: Plan of the new shards.
        done: What each new shard holds, by its number in the plan.
        date: When the extension was begun.
        reasons_before: Why each video of the plan was rejected before, or "".

    Returns:
        Whether any video has another outcome than before; if not, nothing is written.

    Raises:
        BuildError: If the accounting does not add up, which is a bug of vidprep.
    """
    before, old_ledger = read_manifest(root), read_ledger(root).to_pandas()
    num_before = {split: before.totals[split].num_shards for split in SPLITS}
    names = final_names(plan.facts, done, num_before=num_before)
    news = ledger_rows(plan.rows, done, names)
    ledger = _replaced(old_ledger, news)
    if ledger[_NEWS].equals(old_ledger[_NEWS]):
        return False
    _keep(root, before.generation)
    target = root / generation_file(before.generation + 1, MANIFEST)
    target.parent.mkdir(parents=True, exist_ok=True)
    stored = _all_rows(root, done, names)
    write_via(target.with_name(INDEX), lambda path: write_index(stored, path))
    table = pa.Table.from_pandas(ledger, LEDGER_SCHEMA, preserve_index=False)
    write_via(target.with_name(LEDGER), lambda path: write_ledger(table, path))
    write_places(folder, names)
    source = hashlib.sha256(f"{before.source_sha256} {plan.facts.source_sha256}".encode()).hexdigest()
    hashes = {
        "source_sha256": source,
        "index_sha256": file_sha256(target.with_name(INDEX)),
        "ledger_sha256": file_sha256(target.with_name(LEDGER)),
    }
    extension = _extension(root, before, news, tuple(names.values()), date, reasons_before)
    added = tuple(shard_entry(name, done[number]) for number, name in names.items())
    manifest = _extended(before, extension, ledger, added).model_copy(update=hashes)
    contents = known_contents(ShardSet.open(root)) | contents_of(done)
    passport_sha256 = write_set_passport(
        target.with_name(PASSPORT), manifest, plan.facts.classes, ledger, stored, contents
    )
    manifest = manifest.model_copy(update={"passport_sha256": passport_sha256, "format_version": 2})
    write_whole(target, format_manifest(manifest))
    return True


def finish_pending(root: Path) -> Manifest | None:
    """Put the next generation of a set into place, if one was written down; may be repeated after a crash.

    Raises:
        BuildError: If it is not the next generation of this set, or one of its tars is gone.
    """
    generation = read_manifest(root).generation + 1
    written = root / generation_file(generation, MANIFEST)
    if not written.is_file():
        return None
    manifest = parse_manifest(written.read_bytes(), origin=str(written))
    last = manifest.history[-1]
    folder = extension_dir(root, generation)
    if last.fingerprint_before != file_sha256(root / MANIFEST):
        raise BuildError(
            f"{written} follows another manifest than the one of {root}: was an older copy put into its "
            f"place? Delete {written.parent} and {folder}, and run the same command again."
        )
    move_into_place(folder, root)
    for entry in manifest.shards:
        if entry.name in last.shards and not is_whole(root, entry):
            raise BuildError(
                f"{root / entry.name} was finished and is gone. Delete {written.parent} and {folder}, and "
                "run the same command again."
            )
    for name in (INDEX, LEDGER, PASSPORT):
        write_whole(root / name, written.with_name(name).read_bytes())
    write_for_others(root, manifest)
    write_whole(root / MANIFEST, written.read_bytes())
    return manifest


def is_whole(root: Path, entry: ShardEntry) -> bool:
    """Tell whether a tar is there and has its size."""
    path = root / entry.name
    return path.is_file() and path.stat().st_size == entry.size_bytes


def _keep(root: Path, generation: int) -> None:
    """Keep the files of a generation, for readers that ask for it later."""
    for name in (INDEX, LEDGER, PASSPORT, MANIFEST):
        kept = root / generation_file(generation, name)
        if not kept.is_file() and (root / name).is_file():
            write_whole(kept, (root / name).read_bytes())


def _replaced(ledger: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a ledger with some rows replaced; of an id that is annotated twice, the first one."""
    places = ledger[_ROW].reset_index().drop_duplicates(_ROW).set_index(_ROW)["index"].to_dict()
    chosen = [places[row] for row in rows[_ROW].itertuples(index=False, name=None)]
    return pd.concat([ledger.drop(index=chosen), rows.set_axis(chosen)]).sort_index()


def _all_rows(root: Path, done: dict[int, DoneShard], names: dict[int, str]) -> list[dict[str, object]]:
    rows = [*read_index(root).to_pylist(), *index_rows(done, names)]
    # A stable sort: within a split, the new shards come behind the old ones.
    return sorted(rows, key=lambda row: SPLITS.index(row["split"]))


def _extension(
    root: Path,
    before: Manifest,
    news: pd.DataFrame,
    shards: tuple[str, ...],
    date: str,
    reasons_before: Sequence[str],
) -> Extension:
    retried = Counter(reason for reason in reasons_before if reason)
    num_found = len(reasons_before) - retried.total()
    why = [f"{num_found:,} missing videos were found"] if num_found else []
    why += [f"{count:,} rejected as {reason} were tried anew" for reason, count in sorted(retried.items())]
    counts = Counter(news[["split", "status"]].itertuples(index=False, name=None))
    return Extension(
        generation=before.generation + 1,
        date=date,
        why="; ".join(why),
        retried=tuple(sorted(retried)),
        vidprep=vidprep.__version__,
        num_added={split: counts[split, "used"] for split in SPLITS},
        num_rejected={split: counts[split, "rejected"] for split in SPLITS},
        shards=shards,
        fingerprint_before=file_sha256(root / MANIFEST),
    )


def _extended(
    before: Manifest, extension: Extension, ledger: pd.DataFrame, added: tuple[ShardEntry, ...]
) -> Manifest:
    """Return the next manifest, but for its hashes."""
    shards = tuple(sorted((*before.shards, *added), key=lambda entry: SPLITS.index(entry.split)))
    totals = {split: count_totals(split, ledger, shards) for split in SPLITS}
    check_sums(totals, ledger)
    return before.model_copy(
        update={
            "tools": before.tools | {"vidprep": vidprep.__version__},
            "shards": shards,
            "totals": totals,
            "generation": extension.generation,
            "history": (*before.history, extension),
        }
    )
