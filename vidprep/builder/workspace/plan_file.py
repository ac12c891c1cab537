"""plan.parquet: the plan of a build on disk.

Row group i holds the videos of shard i; one more row group holds the videos that are missing or were rejected
already. The plan's facts lie in the file's metadata, so that file and facts cannot be torn apart; the sha256
of these beside them, and a checksum in each page of the rows, tell of damage.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vidprep.builder.plan import LATER_COLUMNS, PLAN_SCHEMA, Plan, PlanFacts
from vidprep.builder.workspace.paths import done_path, plan_path
from vidprep.errors import BuildError

_FACTS = b"vidprep.plan"
_FACTS_SHA256 = b"vidprep.plan.sha256"  # plans of release 0.1 have none


def write_plan(plan: Plan, out_dir: Path) -> None:
    """Write a plan, all of it or nothing."""
    path = plan_path(out_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(plan.rows, schema=PLAN_SCHEMA, preserve_index=False)
    facts = plan.facts.model_dump_json().encode()
    schema = PLAN_SCHEMA.with_metadata({_FACTS: facts, _FACTS_SHA256: hashlib.sha256(facts).hexdigest()})
    partial_path = path.with_suffix(".partial")
    with pq.ParquetWriter(partial_path, schema, compression="zstd", write_page_checksum=True) as writer:
        start = 0
        for size in (*plan.facts.shard_sizes, table.num_rows - plan.facts.num_videos):
            writer.write_table(table.slice(start, size).cast(schema), row_group_size=max(size, 1))
            start += size
    partial_path.replace(path)


def read_facts(out_dir: Path) -> PlanFacts:
    """Read the facts of a plan.

    Raises:
        BuildError: If there is no plan in the folder, or it is of another version of vidprep.
    """
    path = plan_path(out_dir)
    if not out_dir.is_dir():
        what = f"{out_dir} is a file, no folder" if out_dir.exists() else f"No folder {out_dir}"
        raise BuildError(f"{what}. Name the folder of a build, or start one with `vidprep build`.")
    if not path.is_file():
        raise BuildError(f"No build in {out_dir}: {path} does not exist. Start one with `vidprep build`.")
    with _damage_is_named(path):
        metadata = _open(path).schema_arrow.metadata
        facts = metadata[_FACTS]
        expected = metadata.get(_FACTS_SHA256, b"").decode()
        if expected not in ("", hashlib.sha256(facts).hexdigest()):
            raise ValueError("the checksum does not fit the facts")
        return PlanFacts.model_validate_json(facts)


def read_plan(out_dir: Path) -> Plan:
    """Read a whole plan."""
    facts = read_facts(out_dir)
    with _damage_is_named(plan_path(out_dir)):
        rows = _open(plan_path(out_dir)).read().to_pandas()
        if len(rows) < facts.num_videos:
            raise ValueError(f"{len(rows)} rows of at least {facts.num_videos}")
        return Plan(facts, rows)


def read_shard_rows(out_dir: Path, shard: int) -> list[dict[str, object]]:
    """Read the planned videos of one shard, in order."""
    with _damage_is_named(plan_path(out_dir)):
        rows: list[dict[str, object]] = _open(plan_path(out_dir)).read_row_group(shard).to_pylist()
    return rows


def shard_source_bytes(out_dir: Path) -> list[int]:
    """Return the size of the raw videos of each shard, by its number; 0 where it is not known."""
    num_shards = len(read_facts(out_dir).shard_sizes)
    with _damage_is_named(plan_path(out_dir)):
        table = _open(plan_path(out_dir)).read(["shard", "source_bytes"])
    sums = table.group_by("shard").aggregate([("source_bytes", "sum")]).to_pylist()
    by_shard = {row["shard"]: row["source_bytes_sum"] or 0 for row in sums}
    return [by_shard.get(number, 0) for number in range(num_shards)]


def _open(path: Path) -> pq.ParquetFile:
    """Open a plan whose pages are checked as they are read; ValueError if it has other columns."""
    file = pq.ParquetFile(path, page_checksum_verification=True)
    names = set(file.schema_arrow.names)
    expected = [field for field in PLAN_SCHEMA if field.name in names or field.name not in LATER_COLUMNS]
    if not file.schema_arrow.equals(pa.schema(expected)):
        raise ValueError("it has other columns")
    return file


@contextmanager
def _damage_is_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException) as error:
        raise BuildError(f"{path} is damaged or of another version. Build into a new folder.") from error


def planned_facts(out_dir: Path) -> PlanFacts | None:
    """Read the facts of an earlier run's plan; None if there is no plan, or none that can be read."""
    try:
        return read_facts(out_dir)
    except BuildError:
        return None


def begun_facts(out_dir: Path) -> PlanFacts | None:
    """Read the facts of the plan that finished shards were built by; None if no shard is finished."""
    if not plan_path(out_dir).is_file() or not any(done_path(out_dir, 0).parent.glob("*.json")):
        return None
    return read_facts(out_dir)


def check_plan_is_seen(out_dir: Path) -> None:
    """Make sure that a worker sees the folder of the build.

    Raises:
        BuildError: If it does not.
    """
    if not plan_path(out_dir).is_file():
        raise BuildError(
            f"A worker sees no {plan_path(out_dir)}: the output folder must be on a file system that "
            "all workers share, under the same path."
        )


def plan_sha256(out_dir: Path) -> str:
    """Return the hash of the bytes of a plan; "" if there is none."""
    path = plan_path(out_dir)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def find_rows(out_dir: Path, key_or_id: str) -> list[dict[str, Any]]:
    """Return the planned rows with a key or video id."""
    wanted = (pc.field("key") == key_or_id) | (pc.field("video_id") == key_or_id)
    with _damage_is_named(plan_path(out_dir)):
        rows: list[dict[str, Any]] = _open(plan_path(out_dir)).read().filter(wanted).to_pylist()
    return rows
